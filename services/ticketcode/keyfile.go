package ticketcode

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// maxKeyFile bounds what is read of a file that has no keys. MaxKeys keys are 3 KiB.
const maxKeyFile = 64 << 10

// LoadKeys reads a file of keys, as ParseKeys does.
func LoadKeys(path string) (*Keys, error) {
	file, err := readFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// LoadRing reads a file of private keys, as ParseRing does. It refuses one that all users may read: whoever has the
// keys can make tickets. A group may read it, since some systems hand secrets to a program so.
func LoadRing(path string) (*Ring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	// Windows has no such permissions and always shows 0666.
	if info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be read or changed by everybody (mode %#o); make it 0600", path,
			info.Mode().Perm())
	}
	file, err := readFile(path)
	if err != nil {
		return nil, err
	}
	ring, err := ParseRing(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ring, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(file) > maxKeyFile {
		err = fmt.Errorf("%s: it is longer than %d bytes, and no file of keys", path, maxKeyFile)
	}
	return file, err
}

// LoadOrMakeRing reads a file of private keys. Where there is none it makes one with a new key, and its folder. Two
// processes that make it at the same moment get the same one.
func LoadOrMakeRing(path string) (*Ring, error) {
	ring, err := LoadRing(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return ChangeRing(path, func(old *Ring) (*Ring, error) {
		if old != nil {
			return old, nil
		}
		return old.Add()
	})
}

// ChangeRing replaces a file of private keys by what change makes of it, in one step: a reader never sees half a file.
// old is nil where there is no file. What is new is on the disk before ChangeRing returns. Two changes at the same
// moment are made one behind the other.
func ChangeRing(path string, change func(old *Ring) (*Ring, error)) (_ *Ring, err error) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer folder.Close() // It also unlocks the folder.
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("%s: %w", folder.Name(), err)
	}
	old, err := LoadRing(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ring, err := change(old)
	if err != nil || ring == old {
		return ring, err
	}
	return ring, replaceFile(folder, path, ring.PEM())
}

// replaceFile writes a file under another name, syncs it, and gives it its own name. The mode of the old file stays.
func replaceFile(folder *os.File, path string, file []byte) (err error) {
	draft, err := os.CreateTemp(folder.Name(), ".ticket-keys-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(draft.Name())
		}
	}()
	_, err = draft.Write(file)
	if info, statErr := os.Stat(path); err == nil && statErr == nil {
		err = draft.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = draft.Sync()
	}
	if err := errors.Join(err, draft.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), path); err != nil {
		return err
	}
	// On a system that cannot sync a folder, the file is as safe as any new one.
	if err := folder.Sync(); err != nil && runtime.GOOS == "linux" {
		return err
	}
	return nil
}
