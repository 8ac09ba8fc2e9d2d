package availability

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Bounds of a connection. They are the last resort: each call has a deadline of its own, which is mostly shorter.
const (
	// dialTimeout is far longer than any network takes over which searches could be served.
	dialTimeout = 500 * time.Millisecond
	// commandTimeout leaves room for the slowest thing asked at once, a pipeline of Load on a busy miniredis.
	commandTimeout = 2 * time.Second
	// retries is one, for the connection that Redis closed while it lay idle. More is for the caller to decide.
	retries = 1
	// retryBackoff is enough for a restarted Redis to listen again, and short beside any deadline.
	retryBackoff = 8 * time.Millisecond
	// defaultPoolSize serves hundreds of calls a millisecond each; a pipeline takes one connection.
	defaultPoolSize = 32
	// idleTimeout is below the 5 minutes after which the usual firewalls forget a connection.
	idleTimeout = 4 * time.Minute
)

// Options say where Redis is.
type Options struct {
	// Addrs is one node ("host:port", or a URL like "rediss://user:password@host:port/0"), several seeds of a Cluster,
	// or the Sentinels of MasterName.
	Addrs []string
	// MasterName is the name Sentinel has for the master; "" where there is no Sentinel.
	MasterName string
	// Cluster takes a single address for the seed of a Cluster.
	Cluster bool
	// Username and Password are for Redis, the other two for Sentinel. A URL brings its own.
	Username, Password                 string
	SentinelUsername, SentinelPassword string
	// DB is the database number; Cluster has only 0.
	DB int
	// TLS is used for every connection when set.
	TLS *tls.Config
	// PoolSize is the most connections at once, 0 the default.
	PoolSize int
	// CommandTimeout is how long a command may take whose context has no nearer deadline, 0 the default.
	CommandTimeout time.Duration
	// Now is the clock that says when a silent Redis is asked again; nil: time.Now.
	Now func() time.Time
}

// Connect makes a client with every bound given, which leaves a Redis alone that does not answer (see ErrSilent). Redis
// may still be away. An error is one of the options.
func Connect(o Options) (redis.UniversalClient, error) {
	if len(o.Addrs) == 0 {
		return nil, errors.New("no address of a Redis was given")
	}
	if strings.Contains(o.Addrs[0], "://") {
		if len(o.Addrs) > 1 || o.MasterName != "" {
			return nil, errors.New("an address of a Redis may be a URL only where it is the only one")
		}
		// The parser's own error would show the password.
		url, err := redis.ParseURL(o.Addrs[0])
		if err != nil || url.Network != "tcp" {
			return nil, errors.New(
				"the address of a Redis is not a URL like redis://user:password@host:port/0")
		}
		o.Addrs, o.Username, o.Password, o.DB = []string{url.Addr}, url.Username, url.Password, url.DB
		if url.TLSConfig != nil {
			o.TLS = url.TLSConfig
		}
	}
	for _, addr := range o.Addrs {
		if !strings.Contains(addr, ":") {
			return nil, fmt.Errorf("%q is not an address of a Redis like host:port", addr)
		}
	}
	if o.PoolSize <= 0 {
		o.PoolSize = defaultPoolSize
	}
	if o.CommandTimeout <= 0 {
		o.CommandTimeout = commandTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:            o.Addrs,
		MasterName:       o.MasterName,
		IsClusterMode:    o.Cluster,
		Username:         o.Username,
		Password:         o.Password,
		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword,
		DB:               o.DB,
		TLSConfig:        o.TLS,

		// Nothing here needs what RESP3 adds: its pushed messages, which every connection would be searched for.
		Protocol:        2,
		DisableIdentity: true,
		// A plain Redis knows nothing of announced maintenance, and each new connection would ask it.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},

		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout,
		DialerRetries:         1,
		ReadTimeout:           o.CommandTimeout,
		WriteTimeout:          o.CommandTimeout,
		MaxRetries:            retries,
		MinRetryBackoff:       retryBackoff,
		MaxRetryBackoff:       retryBackoff,

		PoolSize: o.PoolSize,
		// Almost everything is a pipeline, and a second pool for them would double the connections.
		PipelinePoolSize: -1,
		PoolTimeout:      dialTimeout,
		ConnMaxIdleTime:  idleTimeout,
	})
	watchOver(client, o.Now)
	return client, nil
}
