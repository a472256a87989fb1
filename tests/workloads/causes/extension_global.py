"""A C global of an extension module, made by the test."""
import hold

import leak

hold.keep_global(leak.records())
leak.wait()
