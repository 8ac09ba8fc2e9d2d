package identity

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxSecretBytes bounds what is read of a file that is no secret.
const maxSecretBytes = 4 << 10

// DevelopmentSecret reads the secret in a file. It makes one where there is none: 32 random bytes in hexadecimal, mode
// 0600, synced to the disk before it is used. Two processes that make it at the same moment get the same one. The
// secret is the file's text without the space around it, and not the bytes that the hexadecimal stands for: so it can
// be pasted into any tool that signs tokens.
func DevelopmentSecret(path string) ([]byte, error) {
	secret, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := makeSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the development secret: %w", err)
	}
	return readSecret(path)
}

func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the development secret: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecretBytes {
		return nil, fmt.Errorf("%s is not a development secret", path)
	}
	// Windows has no such permissions and always shows 0666.
	if open := info.Mode().Perm() & 0o077; open != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be read by others (mode %#o); make it 0600", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the development secret: %w", err)
	}
	secret := bytes.TrimSpace(text)
	if len(secret) < MinSecretBytes {
		return nil, fmt.Errorf("%s has %d bytes; a development secret has at least %d", path, len(secret),
			MinSecretBytes)
	}
	return secret, nil
}

// makeSecret writes the whole secret under another name, and then links it to its own. A link fails where the name is
// taken, as a rename would not. The file never shows half a secret, as one that is written in place would.
func makeSecret(path string) (err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(folder, ".secret-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.Remove(draft.Name()))
	}()
	random := make([]byte, MinSecretBytes)
	// crypto/rand never fails: it ends the process instead.
	_, _ = rand.Read(random)
	_, err = draft.WriteString(hex.EncodeToString(random) + "\n")
	if err == nil {
		err = draft.Sync()
	}
	if err := errors.Join(err, draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder syncs the file's name to the disk, too. On a system that cannot, the secret is as safe as any new file.
func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && runtime.GOOS == "linux" {
		return err
	}
	return nil
}
