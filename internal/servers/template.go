package servers

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// templateFormat is part of a template's name; raise it when what is in a fresh data folder changes.
const templateFormat = "2"

// newData makes a fresh data folder at path: a copy of a template in the cache folder, which is made the first time a
// program is seen. Making one takes seconds, copying it a tenth of that.
func newData(flavor Flavor, b Binary, path string) error {
	template, err := templateFor(flavor, b)
	if err != nil {
		return fmt.Errorf("make a %s data folder: %w", flavor, err)
	}
	if err := os.CopyFS(path, os.DirFS(template)); err != nil {
		_ = os.RemoveAll(path) // half a copy must not be taken for data
		return fmt.Errorf("copy a %s data folder: %w", flavor, err)
	}
	// It holds the server's identity, which no two may share; a server without one makes its own.
	if err := os.Remove(filepath.Join(path, "auto.cnf")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// templateFor returns the template for exactly this program, whole or not at all: one process makes it while others
// wait.
func templateFor(flavor Flavor, b Binary) (string, error) {
	info, err := os.Stat(b.Path)
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %s", templateFormat, b.Path, info.Size(), info.ModTime()))
	name := fmt.Sprintf("%s-%s-%x", strings.ToLower(string(flavor)), b.Version, key[:4])

	all := filepath.Join(cacheFolder(), "data")
	template := filepath.Join(all, name)
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}
	if err := os.MkdirAll(all, 0o755); err != nil {
		return "", err
	}
	lock, err := lockFile(template+".lock", syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(template); err == nil {
		return template, nil
	}

	partial := template + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if flavor == MariaDB {
		err = bootstrapMariaDB(b, partial)
	} else {
		err = initializeMySQL(b, partial)
	}
	if err != nil {
		return "", err
	}
	return template, os.Rename(partial, template)
}

// initializeMySQL makes a data folder in which root, from this machine, has no password.
func initializeMySQL(b Binary, data string) error {
	args := append(basicArgs(MySQL, b, data), "--initialize-insecure",
		"--innodb-redo-log-capacity=8M") // a tenth of the default to copy; the started server makes it what it wants
	said, err := b.command(args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// bootstrapMariaDB makes a data folder in which root, from this machine, has no password. It does what
// mariadb-install-db does, which cannot run a server under a loader.
func bootstrapMariaDB(b Binary, data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	// Without a socket to be root by, the tables below give root an empty password.
	sql := bytes.NewBufferString("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n")
	for _, name := range []string{"system_tables", "performance_tables", "system_tables_data"} {
		text, err := readShared(b, "mysql_"+name+".sql", "mariadb_"+name+".sql")
		if err != nil {
			return err
		}
		sql.Write(text)
	}
	args := append(basicArgs(MariaDB, b, data), "--bootstrap", "--skip-log-bin",
		"--innodb-log-file-size=16M") // a sixth of the default to copy; the started server makes it what it wants
	cmd := b.command(args...)
	cmd.Stdin = sql
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// readShared reads a file that came with the program, by the first of its names that is there: MariaDB 11 renamed its
// own.
func readShared(b Binary, names ...string) ([]byte, error) {
	prefix := filepath.Dir(filepath.Dir(b.Path))
	for _, folder := range []string{"share/mysql", "share/mariadb"} {
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(prefix, folder, name))
			if err == nil {
				return text, nil
			}
		}
	}
	return nil, fmt.Errorf("%s: none of %s came with it", b.Path, strings.Join(names, ", "))
}
