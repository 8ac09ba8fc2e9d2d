package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ErrNotInstalled is returned by every Find and Start, wrapped with the server's name, when the server is neither
// installed nor unpacked in the cache folder.
var ErrNotInstalled = errors.New("is not installed; scripts/install-test-servers.sh gets it")

// ErrNotAskedFor is what every Find and Start returns, wrapped with the server's name, when the variable
// INTERLOCK_TEST_SERVERS leaves the server out.
var ErrNotAskedFor = errors.New("is left out by " + askedForVariable)

// askedForVariable names the servers that tests use, such as "mysql,redis"; "none" is none. Where it is not set, tests
// use all that are installed.
const askedForVariable = "INTERLOCK_TEST_SERVERS"

// askedFor tells whether tests use a server.
func askedFor(name string) bool {
	names, set := os.LookupEnv(askedForVariable)
	return !set || slices.Contains(strings.Split(names, ","), name)
}

// Binary is a server's program, and how to run it.
type Binary struct {
	// Path is the program itself.
	Path string
	// Root is the folder that the program's packages were unpacked into, with every library they need; empty where the
	// program is installed.
	Root string
	// Version is like "9.7.4".
	Version string
}

// FindMySQL finds mysqld: first on PATH, then unpacked. MariaDB's namesake of it is passed over.
func FindMySQL() (Binary, error) {
	return find("mysqld", "mysql", "usr/sbin/mysqld", func(version string) bool {
		return !strings.Contains(version, "MariaDB")
	})
}

// FindMariaDB finds mariadbd: first on PATH, then unpacked.
func FindMariaDB() (Binary, error) {
	return find("mariadbd", "mariadb", "usr/sbin/mariadbd", nil)
}

// FindRedis finds redis-server: first on PATH, then unpacked.
func FindRedis() (Binary, error) {
	return find("redis-server", "redis", "usr/bin/redis-server", nil)
}

// find looks for program on PATH, then in the places where servers live that are not on every user's PATH, then in the
// tree that scripts/install-test-servers.sh unpacks. accept refuses a namesake by what it says of its version.
func find(program, tree, inTree string, accept func(version string) bool) (Binary, error) {
	return findBy("--version", program, tree, inTree, accept)
}

// findBy is find for a program that tells its version when it is given a flag.
func findBy(flag, program, tree, inTree string, accept func(version string) bool) (Binary, error) {
	if !askedFor(tree) {
		return Binary{}, fmt.Errorf("%s %w", program, ErrNotAskedFor)
	}
	folders := append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin")
	for _, folder := range folders {
		path, err := exec.LookPath(filepath.Join(folder, program))
		if err != nil || !filepath.IsAbs(path) {
			continue
		}
		b := Binary{Path: path}
		version, err := b.askVersion(flag)
		if err != nil || accept != nil && !accept(version) {
			continue
		}
		return b.withVersion(version)
	}

	root := filepath.Join(cacheFolder(), tree)
	if _, err := os.Stat(filepath.Join(root, "complete")); err != nil {
		return Binary{}, fmt.Errorf("%s %w", program, ErrNotInstalled)
	}
	b := Binary{Path: filepath.Join(root, inTree), Root: root}
	version, err := b.askVersion(flag)
	if err != nil {
		return Binary{}, err
	}
	return b.withVersion(version)
}

// cacheFolder is where scripts/install-test-servers.sh unpacks servers; the two must agree.
func cacheFolder() string {
	if folder := os.Getenv("INTERLOCK_CACHE"); folder != "" {
		return folder
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		folder = os.TempDir() // no home: then at least one place for all
	}
	return filepath.Join(folder, "interlock")
}

func (b Binary) askVersion(flag string) (string, error) {
	said, err := b.command(flag).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", b.Path, flag, err, said)
	}
	// Some begin with their own path, which may hold anything.
	return strings.TrimPrefix(string(said), b.Path), nil
}

// versionPattern matches "Ver 9.7.4-2 for Linux", "Redis server v=7.0.15 sha=…" and "HAProxy version 2.6.12-1".
var versionPattern = regexp.MustCompile(`\b(?:Ver |v=|version )(\d+(?:\.\d+)+)`)

func (b Binary) withVersion(said string) (Binary, error) {
	match := versionPattern.FindStringSubmatch(said)
	if match == nil {
		return Binary{}, fmt.Errorf("%s: no version in %q", b.Path, said)
	}
	b.Version = match[1]
	return b, nil
}

// command runs the program with args. An unpacked program runs under its own tree's loader, because its C library may
// be newer than the machine's.
func (b Binary) command(args ...string) *exec.Cmd {
	if b.Root == "" {
		return exec.Command(b.Path, args...)
	}
	loaders, libraries := b.glob("ld-linux*.so.*"), b.glob("")
	if len(loaders) == 0 {
		return exec.Command(b.Path, args...)
	}
	libraries = append(libraries, filepath.Join(b.Root, "usr/lib/mysql/private"))
	args = append([]string{"--library-path", strings.Join(libraries, ":"), b.Path}, args...)
	return exec.Command(loaders[0], args...)
}

// glob finds name in the tree's library folders, which are named for the machine's architecture and lie under usr/lib
// or, in older releases, partly under lib.
func (b Binary) glob(name string) []string {
	var found []string
	for _, lib := range []string{"usr/lib", "lib"} {
		matches, _ := filepath.Glob(filepath.Join(b.Root, lib, "*-linux-*", name)) // fails on a bad pattern only
		found = append(found, matches...)
	}
	return found
}
