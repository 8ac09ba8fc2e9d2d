package sqlledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// private is the mode of a SQLite file: nobody else may read who travels, or write.
const private = 0o600

// makePrivate makes a SQLite file where there is none, and takes the rights of others away from one that is there, and from the
// files that SQLite has made beside it. Those that it makes later get the mode of the file itself.
func makePrivate(path string) error {
	// One that is there is not opened: to close it again would take SQLite's locks from this process's connections.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, private)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("ledger: %w", err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		info, err := os.Stat(name)
		// Windows has no such permissions and always shows 0666.
		if errors.Is(err, fs.ErrNotExist) || err == nil && (info.Mode().Perm()&^private == 0 || runtime.GOOS == "windows") {
			continue
		}
		if err == nil {
			err = os.Chmod(name, private)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // -wal and -shm go when the last connection closes
			return fmt.Errorf("ledger: others may read the ledger: %w", err)
		}
	}
	return nil
}
