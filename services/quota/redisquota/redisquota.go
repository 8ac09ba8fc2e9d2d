// Package redisquota keeps the buckets of quotas in Redis.
package redisquota

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"interlock/services/quota"
)

//go:embed take.lua
var takeLua string

// Store is a quota.Store. All its keys have one hash tag, so that they are on one node of a Redis Cluster.
type Store struct {
	client redis.UniversalClient
	take   *redis.Script
}

var _ quota.Store = (*Store)(nil)

// New keeps the buckets in the Redis of a client, which stays its maker's. A Redis that loses its data has all buckets
// empty.
func New(client redis.UniversalClient) *Store {
	return &Store{client: client, take: redis.NewScript(takeLua)}
}

const prefix = "interlock:{quota}:"

// numbers is how many there are in the answer to a demand.
const numbers = 4

// Take answers demands: see quota.Store.
func (s *Store) Take(ctx context.Context, demands []quota.Demand) ([]quota.Grant, error) {
	if len(demands) == 0 {
		return nil, nil
	}
	if len(demands) > quota.MaxDemands {
		return nil, fmt.Errorf("%d demands are more than the %d that are answered at a time", len(demands),
			quota.MaxDemands)
	}
	keys, args := make([]string, 0, len(demands)), make([]any, 0, 5*len(demands))
	for i := range demands {
		d := &demands[i]
		if len(d.Buckets) == 0 || len(d.Buckets) > quota.MaxBuckets || d.UpTo && len(d.Buckets) > 1 {
			return nil, fmt.Errorf("a demand has 1 to %d buckets, or one, not %d", quota.MaxBuckets, len(d.Buckets))
		}
		upTo := 0
		if d.UpTo {
			upTo = 1
		}
		args = append(args, len(d.Buckets), upTo)
		for _, b := range d.Buckets {
			keys = append(keys, prefix+b.Key)
			args = append(args, b.Rate.Every.Microseconds(), b.Rate.Burst, b.Cost)
		}
	}
	said, err := s.take.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil {
		return nil, err
	}
	if len(said) != numbers*len(demands) {
		return nil, fmt.Errorf("%d numbers are no answer to %d demands", len(said), len(demands))
	}
	grants := make([]quota.Grant, len(demands))
	for i := range grants {
		one := said[numbers*i:]
		grants[i] = quota.Grant{
			Taken: int(one[0]), Refused: int(one[1]), Wait: time.Duration(one[2]) * time.Microsecond, Left: int(one[3]),
		}
	}
	return grants, nil
}
