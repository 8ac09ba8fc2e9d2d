package servers

import (
	"os"
	"path/filepath"
	"syscall"
)

const (
	folderPrefix = "interlock-servers-"
	ownerFile    = "owner.lock"
)

// folder is where one server keeps everything.
type folder struct {
	path  string
	owner *os.File // locked as long as the process lives; nil when the caller named the folder
}

// openFolder makes a temporary folder, or takes the caller's. Its path is the real one, which servers tell too.
func openFolder(wanted string) (*folder, error) {
	path := wanted
	var err error
	if wanted == "" {
		sweep()
		path, err = os.MkdirTemp("", folderPrefix)
	} else {
		err = os.MkdirAll(wanted, 0o755)
	}
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	f := &folder{path: path}
	if wanted == "" {
		// Locked first and named then, or else it could be swept away in between.
		if f.owner, err = lockFile(f.join("new.lock"), syscall.LOCK_EX); err == nil {
			err = os.Rename(f.owner.Name(), f.join(ownerFile))
		}
	}
	return f, err
}

func (f *folder) join(name ...string) string {
	return filepath.Join(append([]string{f.path}, name...)...)
}

// close removes a temporary folder; the caller's own is left alone.
func (f *folder) close() error {
	if f.owner == nil {
		return nil
	}
	err := os.RemoveAll(f.path)
	if closeErr := f.owner.Close(); err == nil {
		err = closeErr
	}
	return err
}

// sweep removes what processes left behind that died before they could clean up: each such folder is some 100 MB. The
// kernel gives up a dead process's lock, so a lock that can be had is a dead process's.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*", ownerFile)) // fails on a bad pattern only
	for _, path := range left {
		owner, err := lockFile(path, syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(filepath.Dir(path)) // the next one will try again
		_ = owner.Close()
	}
}

// lockFile opens the file at path and locks it until it is closed or the process ends.
func lockFile(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), how); err != nil {
		_ = file.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return file, nil
}
