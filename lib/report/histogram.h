/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a histogram, for the reports that are made of histograms.
 */
#ifndef MX_REPORT_HISTOGRAM_H
#define MX_REPORT_HISTOGRAM_H

#include "base/strtab.h"
#include "heap/heap.h"

struct mx_histogram {
    MX_ARRAY(struct mx_histogram_row) rows; /* names are interned in `names` */
    struct mx_strtab names;
};

#endif
