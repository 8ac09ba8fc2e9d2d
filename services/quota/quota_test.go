package quota_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/internal/pause"
	"interlock/services/quota"
	"interlock/services/quota/quotatest"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseRate(t *testing.T) {
	for text, want := range map[string]quota.Rate{
		"20/1s":    {Every: 50 * time.Millisecond, Burst: 20},
		"20/1s:40": {Every: 50 * time.Millisecond, Burst: 40},
		"3/1s":     {Every: 333_334 * time.Microsecond, Burst: 3}, // never more than was asked for
		"1/24h":    {Every: 24 * time.Hour, Burst: 1},
		"off":      {},
	} {
		r, err := quota.ParseRate(text)
		require.NoError(t, err, text)
		require.Equal(t, want, r, text)
		again, err := quota.ParseRate(r.String())
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, text := range []string{
		"", "20", "/", "20/", "20/1", "x/1s", "0/1s", "-1/1s", "1/0s", "1/-1s", "1/25h", "100001/1s", "1/1s:0", "1/1s:x",
		"1/1s:-1", "1/1s:1000001", "1/1s:5:5",
	} {
		_, err := quota.ParseRate(text)
		require.Error(t, err, text)
	}
}

func TestParse(t *testing.T) {
	p, err := quota.Parse([]string{"buying.account=3/1m:7", "selling=500/1s", "searching.address=off"})
	require.NoError(t, err)
	require.Equal(t, quota.Rate{Every: 20 * time.Second, Burst: 7}, p.Account[quota.Buying])
	require.Equal(t, quota.Rate{Every: 2 * time.Millisecond, Burst: 500}, p.Selling)
	require.True(t, p.Address[quota.Searching].Unbounded())
	require.Equal(t, quota.Default().Account[quota.Paying], p.Account[quota.Paying], "the others are as usual")
	off, err := quota.Parse([]string{"off"})
	require.NoError(t, err)
	require.True(t, off.Unbounded())
	for text, says := range map[string]string{
		"buying":                `there is no quota "buying"`,
		"flying.account=1/1s":   `there is no quota "flying.account"`,
		"buying.account=often":  `buying.account: "often" is no rate`,
		"buying.account=":       `buying.account: "" is no rate`,
		"buying.account=1/1s=2": `buying.account: "1/1s=2" is no rate`,
	} {
		_, err := quota.Parse([]string{text})
		require.ErrorContains(t, err, says)
	}
	_, err = quota.Parse([]string{"off", "selling=1/1s"})
	require.ErrorContains(t, err, "off alone")
}

// TestMeter_AgainstATokenBucket: as many tokens as the burst, and one more each Every, to the microsecond.
func TestMeter_AgainstATokenBucket(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		rate := quota.Rate{Every: time.Duration(1+random.IntN(1000)) * time.Microsecond, Burst: 1 + random.IntN(20)}
		full := rate.Every * time.Duration(rate.Burst)
		credit, now := full, time.Unix(1_700_000_000, 0)
		var m quota.Meter
		for range 500 {
			passed := time.Duration(random.IntN(3000)) * time.Microsecond
			now, credit = now.Add(passed), min(full, credit+passed)
			n := 1 + random.IntN(5)
			if random.IntN(5) == 0 {
				taken := min(n, int(credit/rate.Every))
				require.Equal(t, taken, m.TakeUpTo(rate, n, now))
				credit -= rate.Every * time.Duration(taken)
				continue
			}
			cost := rate.Every * time.Duration(n)
			ok, left, wait := m.Take(rate, n, now)
			require.Equal(t, cost <= credit, ok)
			if ok {
				credit -= cost
				require.Zero(t, wait)
			} else {
				require.Equal(t, cost-credit, wait)
			}
			require.Equal(t, int(credit/rate.Every), left)
		}
	}
}

func TestAlone_Conformance(t *testing.T) {
	quotatest.RunStore(t, func(*testing.T) quota.Store { return quota.NewAlone(time.Now) })
}

// broken is a store that can be away, or hang.
type broken struct {
	quota.Store
	mu    sync.Mutex
	err   error
	hangs bool
	asked int
}

func (b *broken) set(err error, hangs bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.hangs = err, hangs
}

func (b *broken) questions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

func (b *broken) Take(ctx context.Context, demands []quota.Demand) ([]quota.Grant, error) {
	b.mu.Lock()
	err, hangs := b.err, b.hangs
	b.asked++
	b.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return b.Store.Take(ctx, demands)
}

// world are limiters of several servers on one store.
type world struct {
	store    *broken
	limiters []*quota.Limiter
}

func open(t *testing.T, servers int, texts ...string) *world {
	t.Helper()
	p, err := quota.Parse(texts)
	require.NoError(t, err)
	w := &world{store: &broken{Store: quota.NewAlone(time.Now)}}
	for range servers {
		w.limiters = append(w.limiters, quota.New(quota.Options{
			Policy: p, Store: w.store, Log: slog.New(slog.DiscardHandler),
			Digest: func(text string) string { return fmt.Sprintf("%x", text) },
		}))
	}
	return w
}

func asks(account string, kind quota.Kind, documents ...string) quota.Asked {
	return quota.Asked{
		Client: quota.Client{Account: account}, Count: map[quota.Kind]int{kind: 1}, Documents: documents,
	}
}

// given is how many of n requests are let through, by the servers in turn.
func (w *world) given(t *testing.T, n int, a quota.Asked) (given int) {
	t.Helper()
	for i := range n {
		_, err := w.limiters[i%len(w.limiters)].Take(t.Context(), a)
		synctest.Wait()
		switch rail.CodeOf(err) {
		case "":
			given++
		case rail.RateLimited, rail.Overloaded:
			var refusal *rail.Error
			require.ErrorAs(t, err, &refusal)
			require.Positive(t, refusal.RetryAfter)
		default:
			require.NoError(t, err)
		}
	}
	return given
}

func TestTake_OneQuotaForAllServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, 3, "buying.account=1/1s:6", "document=off")
		require.Equal(t, 6, w.given(t, 30, asks("ann", quota.Buying)))
		require.Equal(t, 6, w.given(t, 30, asks("bob", quota.Buying)), "each client has a bucket")
		require.Equal(t, 6, w.given(t, 6, asks("ann", quota.Paying)), "each kind has one")
		require.True(t, pause.For(t.Context(), 2*time.Second))
		require.Equal(t, 2, w.given(t, 30, asks("ann", quota.Buying)))
		refused := int64(0)
		for _, l := range w.limiters {
			refused += l.Stats().Refused["buying"]
		}
		require.EqualValues(t, 24+24+28, refused)
	})
}

// TestTake_ByAddress counts those without an account by their networks, and those with one by that alone.
func TestTake_ByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, 1, "buying.address=1/1s:3", "buying.account=1/1s:5", "document=off")
		from := func(network, account string) quota.Asked {
			a := asks(account, quota.Buying)
			a.Client.Address = netip.MustParsePrefix(network)
			return a
		}
		require.Equal(t, 3, w.given(t, 9, from("10.0.0.1/32", "")))
		require.Equal(t, 3, w.given(t, 9, from("10.0.0.2/32", "")))
		require.Equal(t, 5, w.given(t, 9, from("10.0.0.1/32", "ann")))
		require.Equal(t, 0, w.given(t, 9, from("10.0.0.9/32", "ann")))
	})
}

// TestTake_ByDocument has many accounts buy for one document. A request for two takes of neither where one has none.
func TestTake_ByDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, 2, "document=1/1m:4")
		given := 0
		for n := range 20 {
			given += w.given(t, 1, asks(fmt.Sprint("robot-", n), quota.Buying, "X1"))
		}
		require.Equal(t, 4, given)
		require.Equal(t, 0, w.given(t, 5, asks("ann", quota.Buying, "X2", "X1")))
		require.Equal(t, 4, w.given(t, 9, asks("ann", quota.Buying, "X2", "X2")), "it counts once a request")
	})
}

// TestTake_Selling bounds the whole sale, and takes nothing of a buyer for what it refuses.
func TestTake_Selling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, 2, "selling=1/1s:10", "buying.account=1/1h:2", "document=off")
		given := 0
		for n := range 30 {
			given += w.given(t, 1, asks(fmt.Sprint("buyer-", n), quota.Buying))
		}
		require.Equal(t, 10, given)
		_, err := w.limiters[0].Take(t.Context(), asks("buyer-29", quota.Buying))
		require.Equal(t, rail.Overloaded, rail.CodeOf(err), "it is no client's own quota")
		require.True(t, pause.For(t.Context(), 10*time.Second))
		require.Equal(t, 2, w.given(t, 9, asks("buyer-29", quota.Buying)), "nothing of this was taken before")
	})
}

// TestTake_Reads waits for no store, and gives little more than there is: a share for each server.
func TestTake_Reads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const servers, burst = 4, 80
		w := open(t, servers, fmt.Sprintf("searching.account=1/1h:%d", burst))
		given := w.given(t, 1000, asks("ann", quota.Searching))
		require.GreaterOrEqual(t, given, burst-servers*burst/4)
		require.LessOrEqual(t, given, burst+servers*burst/4)
		require.Less(t, w.store.questions(), 2*burst)
		first, err := w.limiters[0].Take(t.Context(), asks("eve", quota.Searching))
		require.NoError(t, err)
		require.Equal(t, burst/4-1, first.Left, "what may follow before the first lease came")
		synctest.Wait()
		require.True(t, pause.For(t.Context(), 30*time.Hour))
		more := w.given(t, 1000, asks("ann", quota.Searching))
		require.InDelta(t, 30, more, 2, "what comes back is what all may have")

		w.store.set(nil, true)
		begun := time.Now()
		_, err = w.limiters[0].Take(t.Context(), asks("bob", quota.Searching))
		require.NoError(t, err)
		require.Zero(t, time.Since(begun), "a search does not wait for the store")
		require.True(t, pause.For(t.Context(), time.Second))
	})
}

// TestTake_StoreAway counts on each server alone, within the time of a question, and shares again once the store is
// back.
func TestTake_StoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, 2, "buying.account=1/1h:5", "searching.account=1/1h:8", "document=off")
		for _, hangs := range []bool{false, true} {
			w.store.set(errors.New("away"), hangs)
			name := fmt.Sprint("ann ", hangs)
			begun := time.Now()
			require.Equal(t, 10, w.given(t, 40, asks(name, quota.Buying)), "five on each of both")
			require.Less(t, time.Since(begun), 40*300*time.Millisecond)
			searches := 0
			for range 80 {
				searches += w.given(t, 2, asks(name, quota.Searching))
				require.True(t, pause.For(t.Context(), 10*time.Millisecond))
			}
			require.InDelta(t, 16, searches, 4, "eight on each of both")
			require.True(t, pause.For(t.Context(), time.Second))
		}
		require.Positive(t, w.limiters[0].Stats().Alone)
		w.store.set(nil, false)
		require.Equal(t, 5, w.given(t, 40, asks("bob", quota.Buying)))
	})
}

// TestTake_ManyClients holds no more than the bounds.
func TestTake_ManyClients(t *testing.T) {
	l := quota.New(quota.Options{
		Policy: quota.Default(), Log: slog.New(slog.DiscardHandler), Digest: func(text string) string { return text },
	})
	for n := range 100_500 {
		_, err := l.Take(t.Context(), asks(fmt.Sprint(n), quota.Buying))
		require.NoError(t, err)
		_, err = l.Take(t.Context(), asks(fmt.Sprint(n), quota.Searching))
		require.NoError(t, err)
	}
	leases, meters := l.Held()
	require.LessOrEqual(t, leases, 100_000)
	require.LessOrEqual(t, meters, 100_000)
}

// TestTake_Standing is what the headers say.
func TestTake_Standing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, 1, "buying.account=1/1s:3", "document=off")
		for left := 2; left >= 0; left-- {
			s, err := w.limiters[0].Take(t.Context(), asks("ann", quota.Buying))
			require.NoError(t, err)
			require.Equal(t, left, s.Left)
			require.Equal(t, "buying", s.Name)
		}
		s, err := w.limiters[0].Take(t.Context(), asks("ann", quota.Buying))
		require.Equal(t, rail.RateLimited, rail.CodeOf(err))
		require.Equal(t, time.Second, s.Reset)
		var refusal *rail.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, time.Second, refusal.RetryAfter)
		s, err = w.limiters[0].Take(t.Context(), quota.Asked{Client: quota.Client{Account: "ann"}})
		require.NoError(t, err)
		require.Zero(t, s)
	})
}
