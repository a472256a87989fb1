"""What glibc's malloc says of itself: mallinfo2(), or mallinfo() where it is older than 2.33, with the same members."""
import ctypes

MEMBERS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class Mallinfo:
    """Everything is looked up beforehand: asking makes nothing that stays."""

    def __init__(self):
        library = ctypes.PyDLL(None)
        wide = hasattr(library, "mallinfo2")
        self.words = ((ctypes.c_size_t if wide else ctypes.c_uint) * len(MEMBERS))()
        # The struct is returned in memory: its address is a hidden first argument.
        self.function = library.mallinfo2 if wide else library.mallinfo
        self.function.argtypes, self.function.restype = [ctypes.c_void_p], None

    def ask(self):
        self.function(self.words)

    def members(self):
        """Of the last ask()."""
        return dict(zip(MEMBERS, self.words))
