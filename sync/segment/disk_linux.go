package segment

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// freeBytes asks the operating system how many bytes dir's file system has left for this process.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// allocate makes the file system set size bytes aside for f, so that writing them through a
// mapping cannot fail. It does not change what is in them. A file system without this
// ability is left to the guard.
func allocate(f *os.File, size int64, keepSize bool) error {
	var mode uint32
	if keepSize {
		mode = unix.FALLOC_FL_KEEP_SIZE
	}
	for {
		err := unix.Fallocate(int(f.Fd()), mode, 0, size)
		switch err {
		case unix.EINTR:
			continue
		case unix.EOPNOTSUPP, unix.ENOSYS:
			return nil
		case unix.ENOSPC, unix.EDQUOT:
			return fmt.Errorf("setting %d bytes aside for %s: %w: %w", size, f.Name(), ErrFull, err)
		case nil:
			return nil
		}
		return fmt.Errorf("setting %d bytes aside for %s: %w", size, f.Name(), err)
	}
}
