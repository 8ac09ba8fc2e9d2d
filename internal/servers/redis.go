package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

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
	server
	args []string
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
	s := &RedisServer{server: server{binary: b, folder: f}, args: o.Args}
	err = startOnPort(o.Port, func(port int) error {
		s.port = port
		return s.Start(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

// Start starts a server that was stopped or killed again, on the same address and the data it kept, and returns once it
// answers. A running one is left alone.
func (s *RedisServer) Start(ctx context.Context) error {
	args := append([]string{
		"--bind", host, "--port", strconv.Itoa(s.port), "--dir", s.folder.path,
		"--daemonize", "no", "--save", "", "--appendonly", "no",
	}, s.args...)
	client := s.client()
	defer client.Close()
	return s.start(ctx, args, func(ctx context.Context) error {
		// go-redis would report each refused connection while the server starts.
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
		if err != nil {
			return err
		}
		_ = conn.Close()
		config, err := client.ConfigGet(ctx, "dir").Result()
		if err != nil {
			return err
		}
		// another server's, on a port that ours will not get
		if dir := config["dir"]; filepath.Clean(dir) != s.folder.path {
			return fmt.Errorf("%s answers for %s", s.Addr(), dir)
		}
		return client.Ping(ctx).Err() // fails while the data is being loaded
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
		MaxRetries: -1, // callers that poll retry themselves
		// A plain server knows nothing of maintenance, and each new connection would ask it.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}
