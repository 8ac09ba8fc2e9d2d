package fault

import (
	"context"
	"time"

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

// value is what a key has on a node; "" where it has none, or the node does not say.
func value(ctx context.Context, addr, key string) string {
	client := redisAt(addr)
	defer client.Close()
	return client.Get(ctx, key).Val()
}
