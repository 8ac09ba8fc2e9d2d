package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"interlock/services/availability"
)

// The files of the data folder.
const (
	ledgerFile      = "ledger.db"
	tokenSecretFile = "token-secret"
	documentKeyFile = "document-key"
	redisFile       = "redis.json"
	lockFile        = "lock"
)

// redisAddresses are where the in-process Redis of the server that owns a data folder listens.
type redisAddresses struct {
	Cache string   `json:"cache"`
	Locks []string `json:"locks"`
}

// ownFolder claims the data folder for this process until release; a second server there is refused.
func ownFolder(s *Settings) (release func(), err error) {
	if err := s.dataFolder(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.Data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another server owns %s", s.Data)
		}
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	// The file stays: taking it away would let two processes own two files of one name.
	return func() { _ = f.Close() }, nil
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

// writeFile replaces a file in one step, so that nobody reads half of it.
func writeFile(name string, b []byte) error {
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// errNoServer says that no server owns the data folder, so that there is no in-process Redis.
var errNoServer = errors.New("no server is running on this data folder")

// runningRedis is where the in-process Redis of the running server is. A server that was killed leaves its note behind,
// so only an address that answers counts.
func runningRedis(s *Settings) (redisAddresses, error) {
	b, err := os.ReadFile(filepath.Join(s.Data, redisFile))
	if errors.Is(err, os.ErrNotExist) {
		return redisAddresses{}, errNoServer
	}
	if err != nil {
		return redisAddresses{}, err
	}
	var addresses redisAddresses
	if err := json.Unmarshal(b, &addresses); err != nil {
		return redisAddresses{}, fmt.Errorf("%s: %w", filepath.Join(s.Data, redisFile), err)
	}
	conn, err := net.DialTimeout("tcp", addresses.Cache, time.Second)
	if err != nil {
		return redisAddresses{}, errNoServer
	}
	return addresses, conn.Close()
}
