package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"interlock/services/availability"
)

// The files of the data folder.
const (
	ledgerFile          = "ledger.db"
	tokenSecretFile     = "token-secret"
	documentKeyFile     = "document-key"
	personalDataKeyFile = "personal-data-key"
	ticketKeysFile      = "ticket-keys"
	redisFile           = "redis.json"
	lockFile            = "lock"
)

// ownKey is the id of the key in personalDataKeyFile.
const ownKey = "own"

// redisAddresses are the addresses of the in-process Redis of the server that owns a data folder.
type redisAddresses struct {
	Cache string   `json:"cache"`
	Locks []string `json:"locks"`
}

const (
	// ownTries and ownRetry are how often and how soon a server tries again to lock a folder. A command that looks
	// whether a server runs holds the lock for a moment.
	ownTries = 5
	ownRetry = 20 * time.Millisecond
	// startTries and startRetry are how often and how soon a command looks for the note of a server that is just
	// starting.
	startTries = 20
	startRetry = 50 * time.Millisecond
)

// ownFolder locks the data folder for this process until release. It refuses a second server there.
func ownFolder(s *Settings) (release func(), err error) {
	if err := s.dataFolder(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.Data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) ||
			try == ownTries {
			break
		}
		time.Sleep(ownRetry)
	}
	if err == nil {
		// The note of a server that was killed is no longer true, and this server's is not written yet.
		err = forgetRedis(s)
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another server owns %s", s.Data)
		}
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return func() {
		_ = forgetRedis(s) // A note that stays does no harm: without an owner of the folder, no command reads it.
		// The lock's file stays. Were it removed, two processes could lock two files of one name.
		_ = f.Close()
	}, nil
}

// isOwned tells whether a server runs on the data folder. The system unlocks the file of a server that was killed.
func isOwned(s *Settings) (bool, error) {
	f, err := os.Open(filepath.Join(s.Data, lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // It also unlocks the file.
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// forgetRedis removes the note of the in-process Redis's addresses.
func forgetRedis(s *Settings) error {
	err := os.Remove(filepath.Join(s.Data, redisFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// startRedis starts the in-process Redis and notes its addresses for the other commands.
func startRedis(s *Settings) (*availability.Embedded, error) {
	redis, err := availability.StartEmbedded()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(redisAddresses{Cache: redis.Addr, Locks: redis.LockAddrs})
	if err == nil {
		err = writeFile(filepath.Join(s.Data, redisFile), b)
	}
	if err != nil {
		redis.Close()
		return nil, err
	}
	return redis, nil
}

// writeFile replaces a file in one step, so that a reader never sees half of it.
func writeFile(name string, b []byte) error {
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// errNoServer says that no server owns the data folder, so that there is no in-process Redis.
var errNoServer = errors.New("no server is running on this data folder")

// runningRedis returns the addresses of the in-process Redis of the running server. It does not read the note of a
// server that was killed: by now, another program may listen there.
func runningRedis(s *Settings) (redisAddresses, error) {
	for try := 1; ; try++ {
		owned, err := isOwned(s)
		if err == nil && !owned {
			err = errNoServer
		}
		if err != nil {
			return redisAddresses{}, err
		}
		addresses, err := readRedis(s)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return addresses, err
		}
		if try == startTries {
			return redisAddresses{}, fmt.Errorf("a server is starting on %s, and has no Redis yet; try again in a "+
				"moment", s.Data)
		}
		time.Sleep(startRetry)
	}
}

// readRedis reads the note of the in-process Redis's addresses.
func readRedis(s *Settings) (redisAddresses, error) {
	var addresses redisAddresses
	b, err := os.ReadFile(filepath.Join(s.Data, redisFile))
	if err != nil {
		return addresses, err
	}
	if err := json.Unmarshal(b, &addresses); err != nil {
		return addresses, fmt.Errorf("%s: %w", filepath.Join(s.Data, redisFile), err)
	}
	return addresses, nil
}
