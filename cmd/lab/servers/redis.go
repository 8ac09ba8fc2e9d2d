package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisOptions says how to start a Redis. The zero value is a lone server on a free port, in a temporary folder, that
// keeps nothing on the disk.
type RedisOptions struct {
	// Folder is where the server keeps everything. Data that is there already is used. Empty: a temporary folder, which
	// Close removes.
	Folder string
	// Port is the port to listen on; 0: a free one.
	Port int
	// Args are further arguments, like "--appendonly", "yes". They come last, so that they win.
	Args []string
}

// RedisServer is a Redis.
type RedisServer struct {
	binary Binary
	folder *folder
	port   int
	args   []string

	mu      sync.Mutex
	process *process // nil before the first start
}

// StartRedis starts a Redis and returns once it answers.
func StartRedis(ctx context.Context, o RedisOptions) (*RedisServer, error) {
	b, err := FindRedis()
	if err != nil {
		return nil, err
	}
	f, err := openFolder(o.Folder)
	if err != nil {
		return nil, err
	}
	s := &RedisServer{binary: b, folder: f, args: o.Args}
	err = startOnPort(o.Port, func(port int) error {
		s.port = port
		return s.Start(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

// Start starts a server that was stopped or killed again, on the same address and whatever data it kept, and returns once
// it answers. A running one is left alone.
func (s *RedisServer) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.running() {
		return nil
	}
	args := append([]string{
		"--bind", host, "--port", strconv.Itoa(s.port), "--dir", s.folder.path,
		"--daemonize", "no", "--save", "", "--appendonly", "no",
	}, s.args...)
	p, err := startProcess(s.binary.command(args...), s.LogPath())
	if err != nil {
		return err
	}
	s.process = p
	client := s.client()
	defer client.Close()
	return p.await(ctx, s.LogPath(), func(ctx context.Context) error {
		// This fails while the data is being loaded, too.
		config, err := client.ConfigGet(ctx, "dir").Result()
		if err != nil {
			return err
		}
		if dir := config["dir"]; filepath.Clean(dir) != s.folder.path { // somebody else's, on a port ours will not get
			return fmt.Errorf("%s answers for %s", s.Addr(), dir)
		}
		return client.Ping(ctx).Err()
	})
}

// FlushAll empties the server.
func (s *RedisServer) FlushAll(ctx context.Context) error {
	client := s.client()
	defer client.Close()
	return client.FlushAll(ctx).Err()
}

func (s *RedisServer) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:       s.Addr(),
		MaxRetries: -1, // who polls retries himself
		// A plain server knows nothing of maintenance, and each new connection would ask it.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// Version is the program's version, like "7.0.15".
func (s *RedisServer) Version() string { return s.binary.Version }

// Addr is the address the server listens on; it stays the same over every restart.
func (s *RedisServer) Addr() string { return address(s.port) }

// LogPath is the server's log.
func (s *RedisServer) LogPath() string { return s.folder.join("server.log") }

// Pid is the process id, also of a server that has ended.
func (s *RedisServer) Pid() int { return s.current().pid() }

// Done is closed when the server has ended, for whatever reason. Each Start makes a new one.
func (s *RedisServer) Done() <-chan struct{} { return s.current().done }

// Signal sends a signal: SIGSTOP freezes a server, SIGCONT thaws it. To a server that has ended it does nothing.
func (s *RedisServer) Signal(sig os.Signal) error { return s.current().signal(sig) }

// Stop ends the server in order, and by force when that takes too long, which is an error.
func (s *RedisServer) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.stop(ctx)
}

// Kill ends the server as a crash would, and returns once it has ended.
func (s *RedisServer) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.kill()
}

// Close kills the server, and removes its folder if that was a temporary one.
func (s *RedisServer) Close() error { return errors.Join(s.Kill(), s.folder.close()) }

func (s *RedisServer) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}
