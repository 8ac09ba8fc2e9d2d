package smtpmail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	stdmail "net/mail"
	"os"
	"path/filepath"
	"strings"
)

// Folder writes mails into a folder instead of sending them, one file each, that mail programs open. It is safe for
// concurrent use.
type Folder struct {
	dir  string
	from stdmail.Address
}

// folderFrom sends mails in a folder. Its domain is reserved, so that an answer reaches no person (RFC 2606).
var folderFrom = stdmail.Address{Name: "Interlock", Address: "tickets@interlock.example"}

// NewFolder makes a folder for mails, readable by its owner alone, unless it is there.
func NewFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mail-folder: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("mail-folder: %w", err)
	}
	return &Folder{dir: dir, from: folderFrom}, nil
}

// Dir is where the mails are.
func (f *Folder) Dir() string { return f.dir }

// Send writes a mail whole or not at all, readable by its owner alone. A mail that is sent again has the same file.
// ErrRefused: the mail is not valid. Any other error: it was not written.
func (f *Folder) Send(ctx context.Context, m *Mail) error {
	mail, err := compose(f.from, m)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return failed(ctx, stepWrite, ctx.Err())
	}
	if err := f.write(fileName(m.MessageID), mail.content); err != nil {
		return &Error{Step: stepWrite, Reason: "the folder cannot be written to"}
	}
	return nil
}

// write replaces a file. What dies in between leaves a file of another ending.
func (f *Folder) write(name string, content []byte) error {
	file, err := os.CreateTemp(f.dir, ".mail-*.tmp")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(f.dir, name))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// fileName is a Message-ID where every system takes it for the name of a file, and its digest where not.
func fileName(messageID string) string {
	plain := strings.Trim(messageID, "abcdefghijklmnopqrstuvwxyz0123456789@.-_") == "" && messageID[0] != '.'
	if !plain {
		sum := sha256.Sum256([]byte(messageID))
		messageID = hex.EncodeToString(sum[:])
	}
	return messageID + ".eml"
}
