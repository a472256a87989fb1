#include "report/export.h"
struct mx_error *mx_export_sqlite(struct mx_export *export, const char *path)
{
    (void)export;
    (void)path;
    return mx_error_new(MX_ERROR_UNSUPPORTED, "later");
}
