package redisquota_test

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/availability"
	"interlock/services/quota"
	"interlock/services/quota/quotatest"
	"interlock/services/quota/redisquota"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

func open(t *testing.T) redis.UniversalClient {
	t.Helper()
	client, err := availability.Connect(availability.Options{Addrs: []string{serverstest.Redis(t)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	require.NoError(t, client.FlushAll(t.Context()).Err())
	return client
}

func TestStore_Conformance(t *testing.T) {
	quotatest.RunStore(t, func(t *testing.T) quota.Store { return redisquota.New(open(t)) })
}

// TestStore_KeysGo: an empty bucket has no key, and none stays for longer than its bucket is full.
func TestStore_KeysGo(t *testing.T) {
	client := open(t)
	s := redisquota.New(client)
	rate, err := quota.ParseRate("10/1m:20")
	require.NoError(t, err)
	_, err = s.Take(t.Context(), []quota.Demand{{Buckets: []quota.Bucket{{Key: "k", Rate: rate, Cost: 3}}}})
	require.NoError(t, err)
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Equal(t, []string{"interlock:{quota}:k"}, keys)
	left, err := client.PTTL(t.Context(), keys[0]).Result()
	require.NoError(t, err)
	require.InDelta(t, 18, left.Seconds(), 1)
}

// BenchmarkTake is what a demand of two buckets costs, alone and with others in one question.
func BenchmarkTake(b *testing.B) {
	client, err := availability.Connect(availability.Options{Addrs: []string{serverstest.Redis(b)}})
	require.NoError(b, err)
	defer client.Close()
	rate, err := quota.ParseRate("100000/1s:1000000")
	require.NoError(b, err)
	demand := quota.Demand{Buckets: []quota.Bucket{{Key: "a", Rate: rate, Cost: 1}, {Key: "b", Rate: rate, Cost: 1}}}
	for name, n := range map[string]int{"Alone": 1, "With64": 64} {
		b.Run(name, func(b *testing.B) {
			s, demands := redisquota.New(client), make([]quota.Demand, n)
			for i := range demands {
				demands[i] = demand
			}
			for range (b.N + n - 1) / n {
				_, err := s.Take(b.Context(), demands)
				require.NoError(b, err)
			}
		})
	}
}
