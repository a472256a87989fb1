"""The state of an extension module, made by the test."""
import hold

import leak

hold.keep_state(leak.records())
leak.wait()
