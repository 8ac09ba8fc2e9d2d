// Package quotatest says what the stores of services/quota must do.
package quotatest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/quota"
)

// slow is a rate at which nothing comes back while a test runs.
func slow(burst int) quota.Rate { return quota.Rate{Every: time.Hour, Burst: burst} }

// RunStore runs the suite. open makes an empty store.
func RunStore(t *testing.T, open func(t *testing.T) quota.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, quota.Store)
	}{
		{"AllOrNothing", allOrNothing},
		{"UpTo", upTo},
		{"ManyAtATime", manyAtATime},
		{"ComesBack", comesBack},
		{"AtOnce", atOnce},
		{"AgainstANaiveModel", againstANaiveModel},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func bucket(key string, burst, cost int) quota.Bucket {
	return quota.Bucket{Key: key, Rate: slow(burst), Cost: cost}
}

func take(t *testing.T, s quota.Store, demands ...quota.Demand) []quota.Grant {
	t.Helper()
	grants, err := s.Take(t.Context(), demands)
	require.NoError(t, err)
	require.Len(t, grants, len(demands))
	return grants
}

func of(buckets ...quota.Bucket) quota.Demand { return quota.Demand{Buckets: buckets} }

func allOrNothing(t *testing.T, s quota.Store) {
	g := take(t, s, of(bucket("a", 5, 2), bucket("b", 3, 3)))[0]
	require.Equal(t, quota.Grant{Taken: 2, Refused: -1, Left: 3}, g)
	g = take(t, s, of(bucket("a", 5, 1), bucket("b", 3, 1)))[0]
	require.Equal(t, 1, g.Refused)
	require.Zero(t, g.Taken)
	require.Equal(t, 3, g.Left, "nothing was taken of the first")
	require.InDelta(t, time.Hour, g.Wait, float64(time.Minute))
	g = take(t, s, of(bucket("a", 5, 4), bucket("c", 3, 1)))[0]
	require.Equal(t, 0, g.Refused)
	g = take(t, s, of(bucket("c", 3, 3)))[0]
	require.Equal(t, -1, g.Refused, "nothing was taken of the second")
	g = take(t, s, of(bucket("d", 3, 4)))[0]
	require.Equal(t, 0, g.Refused, "more than there ever is")
}

func upTo(t *testing.T, s quota.Store) {
	want := func(cost, taken int) {
		t.Helper()
		g := take(t, s, quota.Demand{UpTo: true, Buckets: []quota.Bucket{bucket("a", 5, cost)}})[0]
		require.Equal(t, taken, g.Taken)
		require.Equal(t, -1, g.Refused)
	}
	want(3, 3)
	want(3, 2)
	want(3, 0)
}

// manyAtATime has demands on one bucket follow each other in one call.
func manyAtATime(t *testing.T, s quota.Store) {
	var demands []quota.Demand
	for range quota.MaxDemands {
		demands = append(demands, of(bucket("shared", 100, 1)))
	}
	taken := 0
	for i, g := range take(t, s, demands...) {
		taken += g.Taken
		require.Equal(t, i < 100, g.Refused == -1, i)
	}
	require.Equal(t, 100, taken)
	_, err := s.Take(t.Context(), append(demands, demands[0]))
	require.Error(t, err)
	grants, err := s.Take(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, grants)
}

func comesBack(t *testing.T, s quota.Store) {
	fast := of(quota.Bucket{Key: "fast", Rate: quota.Rate{Every: 20 * time.Millisecond, Burst: 2}, Cost: 2})
	require.Equal(t, 2, take(t, s, fast)[0].Taken)
	require.Eventually(t, func() bool { return take(t, s, fast)[0].Taken == 2 }, 10*time.Second, time.Millisecond)
}

// atOnce has many ask at once: no more is given than there is.
func atOnce(t *testing.T, s quota.Store) {
	var all sync.WaitGroup
	var given atomic.Int64
	for range 8 {
		all.Go(func() {
			for range 50 {
				grants, err := s.Take(t.Context(), []quota.Demand{of(bucket("rush", 100, 1))})
				if err == nil {
					given.Add(int64(grants[0].Taken))
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 100, given.Load())
}

// againstANaiveModel has random demands on a few buckets, which a model counts down.
func againstANaiveModel(t *testing.T, s quota.Store) {
	random := rand.New(rand.NewPCG(7, 7))
	left := map[string]int{}
	for i := range 6 {
		left[fmt.Sprint("m", i)] = 20 + i
	}
	for range 300 {
		d := quota.Demand{UpTo: random.IntN(4) == 0}
		buckets := 1
		if !d.UpTo {
			buckets += random.IntN(3)
		}
		for _, n := range random.Perm(6)[:buckets] {
			d.Buckets = append(d.Buckets, bucket(fmt.Sprint("m", n), 20+n, 1+random.IntN(4)))
		}
		want := quota.Grant{Refused: -1}
		for i, b := range d.Buckets {
			if !d.UpTo && b.Cost > left[b.Key] && want.Refused < 0 {
				want.Refused = i
			}
		}
		if want.Refused < 0 {
			for i, b := range d.Buckets {
				cost := min(b.Cost, left[b.Key])
				left[b.Key] -= cost
				if i == 0 {
					want.Taken = cost
				}
			}
		}
		want.Left = left[d.Buckets[0].Key]
		got := take(t, s, d)[0]
		require.Equal(t, want.Refused >= 0, got.Wait > 0)
		got.Wait = 0
		require.Equal(t, want, got)
	}
}
