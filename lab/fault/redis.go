package fault

import (
	"context"
	"errors"
	"slices"
	"time"

	"interlock/lab/cluster"
	"interlock/services/availability"
	"interlock/services/rail"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// redisTimeout bounds one question to a Redis that may be hung.
const redisTimeout = time.Second

// redisAt is a client that asks once.
func redisAt(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, DialTimeout: redisTimeout, ReadTimeout: redisTimeout, WriteTimeout: redisTimeout,
		// A plain server knows nothing of maintenance, and each new connection would ask it.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// value is the value of a key on a node; "" without one, and where the node does not answer.
func value(ctx context.Context, addr, key string) string {
	client := redisAt(addr)
	defer client.Close()
	return client.Get(ctx, key).Val()
}

// store is the cache as servers use it.
type store struct {
	*availability.Cache
	client redis.UniversalClient
}

func openStore(c *cluster.Cluster) (*store, error) {
	client, err := availability.Connect(availability.Options{Addrs: []string{c.Cache.Addr()}})
	if err != nil {
		return nil, err
	}
	return &store{availability.New(client), client}, nil
}

func (c *store) close() error { return c.client.Close() }

// entries are what is stored of the workload's runs, in their order.
func (c *store) entries(ctx context.Context, s *Scene) ([]*rail.Availability, error) {
	var runs []*rail.Availability
	for _, run := range s.Workload.Runs() {
		runs = append(runs, &rail.Availability{RunID: run.RunID})
	}
	stored, err := c.Stored(ctx, runs)
	if err == nil && slices.Contains(stored, nil) {
		err = errors.New("the cache does not have a run")
	}
	return stored, err
}

// versionInRedis is a run's version in the cache, 0 where it has none.
func versionInRedis(ctx context.Context, c *cluster.Cluster, run rail.RunID) (int64, error) {
	client, err := availability.Connect(availability.Options{Addrs: []string{c.Cache.Addr()}})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	stored, err := availability.New(client).Stored(ctx, []*rail.Availability{{RunID: run}})
	if err != nil || stored[0] == nil {
		return 0, err
	}
	return stored[0].Version, nil
}
