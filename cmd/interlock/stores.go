package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"interlock/services/availability"
	"interlock/services/identity"
	"interlock/services/keyring"
	"interlock/services/ledger/sqlledger"
	"interlock/services/lock/redlock"
	"interlock/services/messages/streams"
	"interlock/services/sale"
)

// stores are the adapters, open.
type stores struct {
	ledger *sqlledger.Ledger
	// cache and lock are nil for a command on an embedded folder that no server runs on.
	cache  *availability.Cache
	lock   *redlock.Lock
	client redis.UniversalClient
	// messages is where events are published; nil where cache is.
	messages *streams.Stream
	// payments is the stream of events of payments, in the same Redis.
	payments *streams.Stream
	// faults are what the lab does to a server. In the build that is shipped they do nothing.
	faults faults
	close  []func() error
}

// Close closes all that was opened, the last first.
func (o *stores) Close() error {
	var errs []error
	for i := len(o.close) - 1; i >= 0; i-- {
		errs = append(errs, o.close[i]())
	}
	return errors.Join(errs...)
}

const (
	// commitTimeout is how long a COMMIT may take until it counts as in doubt: long for a healthy cluster, where it
	// takes milliseconds, and short for a buyer.
	commitTimeout = 3 * time.Second
	// failoverTime is how long it takes to replace a primary, and with it to resolve the commits that waited on it.
	failoverTime = 10 * time.Second
)

// ledgerOptions say where the ledger is.
func ledgerOptions(s *Settings) sqlledger.Options {
	if s.embedded() {
		return sqlledger.Options{Path: filepath.Join(s.Data, ledgerFile), Durability: sqlledger.Local}
	}
	o := sqlledger.Options{ReplicaDSN: s.MySQLReplica, Durability: s.Durability, CommitTimeout: commitTimeout}
	if len(s.MySQL) == 1 {
		o.DSN = s.MySQL[0]
	} else {
		o.Members = s.MySQL
	}
	return o
}

// opening says what a command may do to the embedded folder.
type opening struct {
	// owner is true for the server, which starts the in-process Redis. A command uses that of the running server.
	owner bool
	// migrate brings the schema up to date. A command that only looks leaves it as it is.
	migrate bool
}

// openStores opens the adapters for a command that sells or publishes. It makes an embedded ledger where there is none.
func openStores(ctx context.Context, s *Settings, log *slog.Logger, owner bool) (*stores, error) {
	return open(ctx, s, log, opening{owner: owner, migrate: true})
}

// openAsTheyAre opens the adapters for a command that looks at what is there. It makes nothing.
func openAsTheyAre(ctx context.Context, s *Settings, log *slog.Logger) (*stores, error) {
	return open(ctx, s, log, opening{})
}

// open opens the adapters in the order in which they need each other. Where one cannot be opened, it closes the others.
func open(ctx context.Context, s *Settings, log *slog.Logger, how opening) (_ *stores, err error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	opened := &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	redisAt, err := opened.findRedis(s, how.owner)
	if err != nil {
		return nil, err
	}
	if err := prepareFile(ctx, s, how.migrate); err != nil {
		return nil, err
	}
	if how.owner {
		if opened.faults, err = openFaults(log); err != nil {
			return nil, err
		}
		opened.close = append(opened.close, opened.faults.Close)
	}
	if err := opened.openLedger(ctx, s, log); err != nil {
		return nil, err
	}
	if len(redisAt.locks) == 0 {
		return opened, nil
	}
	if err := opened.openRedis(redisAt); err != nil {
		return nil, err
	}
	return opened, nil
}

// redisPlaces say where the cache and the lock's nodes are. There are no nodes for a command on an embedded folder that
// no server runs on.
type redisPlaces struct {
	cache, messages availability.Options
	locks           []string
}

// findRedis reads where Redis is out of the settings. The embedded default's is started by its owner.
func (o *stores) findRedis(s *Settings, owner bool) (redisPlaces, error) {
	places := redisPlaces{
		cache: availability.Options{
			Addrs: s.Redis, MasterName: s.RedisMasterName, Cluster: s.RedisCluster,
			Username: s.RedisUsername, Password: s.RedisPassword,
		},
		locks: s.LockRedis,
	}
	if !s.embedded() {
		places.messages = messagesRedis(s, places.cache)
		return places, nil
	}
	addresses, err := o.embeddedRedis(s, owner)
	places.cache.Addrs, places.locks = []string{addresses.Cache}, addresses.Locks
	places.messages = messagesRedis(s, places.cache)
	return places, err
}

const (
	// messagesConnections are enough for a relay and a few consumers, which wait for events on one connection each.
	messagesConnections = 16
	// messagesTimeout is long for the longest script, which appends the events of a whole run.
	messagesTimeout = 10 * time.Second
)

// messagesRedis says where events are published: in a Redis of their own, or in the cache's, over connections of their
// own.
func messagesRedis(s *Settings, cache availability.Options) availability.Options {
	at := cache
	if len(s.Messages) > 0 {
		at = availability.Options{
			Addrs: s.Messages, MasterName: s.MessagesMasterName,
			Username: s.MessagesUsername, Password: s.MessagesPassword,
		}
	}
	at.PoolSize, at.CommandTimeout = messagesConnections, messagesTimeout
	return at
}

func (o *stores) openLedger(ctx context.Context, s *Settings, log *slog.Logger) error {
	options := o.faults.ledger(ledgerOptions(s))
	options.Log = log
	if err := addKeys(&options, s); err != nil {
		return err
	}
	var err error
	if o.ledger, err = sqlledger.Open(ctx, options); err != nil {
		return err
	}
	o.close = append(o.close, o.ledger.Close)
	return nil
}

func (o *stores) openRedis(at redisPlaces) error {
	var err error
	if o.client, err = availability.Connect(at.cache); err != nil {
		return err
	}
	o.close = append(o.close, o.client.Close)
	o.cache = availability.New(o.client)
	return o.openMessages(at)
}

// openMessages opens the streams, and the lock that elects who publishes.
func (o *stores) openMessages(at redisPlaces) error {
	client, err := availability.Connect(at.messages)
	if err != nil {
		return fmt.Errorf("--messages: %w", err)
	}
	o.close = append(o.close, client.Close)
	o.messages, o.payments = streams.New(client, streams.Events), streams.New(client, streams.Payments)
	if o.lock, err = redlock.New(redlock.Options{Nodes: at.locks}); err != nil {
		return err
	}
	o.close = append(o.close, o.lock.Close)
	return nil
}

// prepareFile brings the embedded ledger's schema up to date, or looks whether there is a ledger and its key: to open
// what is not there would make it. A ledger in MySQL has no file.
func prepareFile(ctx context.Context, s *Settings, migrate bool) error {
	if !s.embedded() {
		return nil
	}
	if migrate {
		return sqlledger.Migrate(ctx, ledgerOptions(s))
	}
	if _, err := os.Stat(ledgerOptions(s).Path); err != nil {
		return fmt.Errorf("there is no ledger: %w", err)
	}
	if len(s.PersonalDataKeys) > 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(s.Data, personalDataKeyFile)); err != nil {
		return fmt.Errorf("there is no key that the ledger's passengers are sealed with: %w", err)
	}
	return nil
}

// embeddedRedis starts the in-process Redis, or finds that of the running server. Without a running server the
// addresses are empty, and there is no error.
func (o *stores) embeddedRedis(s *Settings, owner bool) (redisAddresses, error) {
	if !owner {
		addresses, err := runningRedis(s)
		if errors.Is(err, errNoServer) {
			err = nil
		}
		return addresses, err
	}
	release, err := ownFolder(s)
	if err != nil {
		return redisAddresses{}, err
	}
	o.close = append(o.close, func() error { release(); return nil })
	started, err := startRedis(s)
	if err != nil {
		return redisAddresses{}, err
	}
	o.close = append(o.close, func() error { started.Close(); return nil })
	return redisAddresses{Cache: started.Addr, Locks: started.LockAddrs}, nil
}

// documentKey is the key of the digests of document numbers. The embedded default makes its own.
func documentKey(s *Settings) ([]byte, error) {
	if s.DocumentKey != "" || !s.embedded() {
		return []byte(s.DocumentKey), nil
	}
	return identity.DevelopmentSecret(filepath.Join(s.Data, documentKeyFile))
}

// addKeys gives a ledger the keys that seal passengers, and the digest of their document numbers.
func addKeys(to *sqlledger.Options, s *Settings) error {
	ring, err := personalDataKeys(s)
	if err != nil {
		return err
	}
	key, err := documentKey(s)
	if err != nil {
		return err
	}
	to.Keyring = ring
	to.DocumentDigest = func(number string) string { return sale.DocumentDigest(key, number) }
	return nil
}

// personalDataKeys seal names and document numbers. The embedded default makes a key of its own.
func personalDataKeys(s *Settings) (*keyring.Ring, error) {
	keys := s.PersonalDataKeys
	if len(keys) == 0 && s.embedded() {
		own, err := identity.DevelopmentSecret(filepath.Join(s.Data, personalDataKeyFile))
		if err != nil {
			return nil, err
		}
		keys = []string{ownKey + ":" + string(own)}
	}
	ring, err := keyring.Parse(keys)
	if err != nil {
		return nil, fmt.Errorf("--personal-data-keys: %w", err)
	}
	return ring, nil
}

// developmentTokens makes the verifier of development tokens, with the secret of the settings or that of the data
// folder.
func developmentTokens(s *Settings) (*identity.Development, error) {
	if s.OIDCIssuer != "" {
		return nil, fmt.Errorf("an issuer is configured (%s): there are no development tokens", s.OIDCIssuer)
	}
	if s.TokenSecret != "" {
		return identity.NewDevelopment([]byte(s.TokenSecret))
	}
	if err := s.dataFolder(); err != nil {
		return nil, err
	}
	secret, err := identity.DevelopmentSecret(filepath.Join(s.Data, tokenSecretFile))
	if err != nil {
		return nil, err
	}
	return identity.NewDevelopment(secret)
}
