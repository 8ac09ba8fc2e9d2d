package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

func TestPlaces_WaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := gateway.NewPlaces(2, 50, 1<<20)
		require.NoError(t, p.Enter(t.Context()))
		require.NoError(t, p.Enter(t.Context()))

		start := time.Now()
		err := p.Enter(t.Context())
		require.Equal(t, rail.Overloaded, rail.CodeOf(err))
		require.Equal(t, gateway.MaxPlaceWait, time.Since(start))

		// The number that waits is bounded, too. The next is refused at once.
		var waiting sync.WaitGroup
		var entered atomic.Int64
		for range 50 {
			waiting.Go(func() {
				if p.Enter(t.Context()) == nil {
					entered.Add(1)
				}
			})
		}
		synctest.Wait()
		start = time.Now()
		require.Equal(t, rail.Overloaded, rail.CodeOf(p.Enter(t.Context())))
		require.Zero(t, time.Since(start))
		p.Leave()
		waiting.Wait()
		require.EqualValues(t, 1, entered.Load(), "a place that is given back goes to one who waits")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.Enter(ctx), context.Canceled)
	})
}

func TestPlaces_SlowReadersHoldThemUp(t *testing.T) {
	p := gateway.NewPlaces(8, 50, 100<<10)
	p.Made(1_000)
	require.Zero(t, p.Unsent(), "what is short is not counted")
	first, second := p.Made(60<<10), p.Made(60<<10)
	require.Equal(t, rail.Overloaded, rail.CodeOf(p.Enter(t.Context())))
	first()
	require.NoError(t, p.Enter(t.Context()))
	second()
	require.Zero(t, p.Unsent())
}

// Large responses share one pace, however many they are and however long their lists.
func TestPlaces_LargeAnswersShareAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := gateway.NewPacedPlaces(10_000)
		start := time.Now()
		var asking sync.WaitGroup
		for _, list := range []int64{30_000, 3_000, 30, 3} {
			asking.Go(func() {
				for range 30_000 / list {
					assert.NoError(t, p.Pace(t.Context(), list))
				}
			})
		}
		asking.Wait()
		require.InDelta(t, 12*time.Second, time.Since(start), float64(100*time.Millisecond))

		// It is refused at once where its values would come after its deadline.
		start = time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.Equal(t, rail.Overloaded, rail.CodeOf(p.Pace(short, 30_000)))
		require.Less(t, time.Since(start), time.Second)

		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		require.ErrorIs(t, p.Pace(gone, 30_000), context.Canceled)
		require.NoError(t, gateway.NewPacedPlaces(0).Pace(t.Context(), 1<<40), "a tier without a pace")
	})
}

// Only the largest responses are paced. A pace of one value a second shows it: they are refused at once for want of
// time.
func TestPlaces_LargeAnswersArePaced(t *testing.T) {
	w, _ := grove(t)
	require.Zero(t, gateway.Tiers[0].PerSecond())
	require.Positive(t, gateway.Tiers[1].PerSecond())
	w.gate.Places().SetPace(1, 1)
	between := `{trees(of:2){children(of:%d){name}}}`
	for range 3 {
		require.Empty(t, w.post(t, fmt.Sprintf(between, 500)).Errors)
	}
	r := w.post(t, fmt.Sprintf(between, 1_000))
	require.Equal(t, "OVERLOADED", r.code(), r.raw)
	require.Empty(t, w.post(t, fmt.Sprintf(between, 500)).Errors)
}

// A dear query counts as large before its root fields are resolved, even if its response is small.
func TestPlaces_DearQueriesAreLargeFromTheStart(t *testing.T) {
	w, trees := grove(t)
	for range gateway.Tiers[1].Many() {
		require.NoError(t, w.gate.Places().EnterTier(t.Context(), 1))
	}
	var fields strings.Builder
	for i := range 100 {
		fmt.Fprintf(&fields, "n%d:name ", i)
	}
	document := func(lists int) string { // each costs 1,001
		var b strings.Builder
		for i := range lists {
			fmt.Fprintf(&b, "l%d:trees(of:1){...F}", i)
		}
		return "{" + b.String() + "} fragment F on Tree{" + fields.String() + "}"
	}
	require.Empty(t, w.post(t, document(19)).Errors)
	resolved := trees.lists.Load()
	r := w.post(t, document(20))
	require.Equal(t, "OVERLOADED", r.code(), r.raw)
	require.Equal(t, resolved, trees.lists.Load())
}

// While all places are taken by large responses, one more waits for a moment and is refused. Small responses are made,
// and in the end all large ones that were begun.
func TestPlaces_SmallAnswersDoNotWait(t *testing.T) {
	w, trees := grove(t)
	tier := gateway.Tiers[0]
	var inside atomic.Int64
	full, release := make(chan struct{}), make(chan struct{})
	trees.resolving = func(ctx context.Context) {
		if graphql.GetFieldContext(ctx).Field.Alias != "held" {
			return
		}
		if inside.Add(1) == int64(tier.Many()*workers) {
			close(full)
		}
		<-release
	}
	// It is large by its first list. It is held in the lists of that list's elements, of which so many are resolved at
	// a time.
	body := fmt.Sprintf(`{children(of:%d){held:children(of:1){name}}}`, tier.Beyond())
	answers := make(chan *reply, tier.Many())
	for range tier.Many() {
		go func() { answers <- w.post(t, `{tree`+body+`}`) }()
	}
	<-full
	for range 20 {
		require.Empty(t, w.post(t, `{tree{name}}`).Errors)
	}
	r := w.post(t, fmt.Sprintf(`{trees(of:%d){name}}`, tier.Beyond()))
	require.Equal(t, "OVERLOADED", r.code(), r.raw)
	require.NotZero(t, r.Errors[0].Extensions["retryAfterMs"])
	require.Len(t, r.Errors, 1)
	require.Empty(t, r.Data)
	// OVERLOADED would say that nothing was done, but the mutation was.
	r = w.post(t, fmt.Sprintf(`mutation{plant{children(of:%d){name}}}`, tier.Beyond()))
	require.Equal(t, "UNAVAILABLE", r.code(), r.raw)
	require.Contains(t, r.Errors[0].Message, "same idempotency key")
	require.EqualValues(t, 1, trees.planted.Load())
	close(release)
	for range tier.Many() {
		require.Empty(t, (<-answers).Errors)
	}
}

// Over every transport, a response that was sent no longer counts.
func TestPlaces_ForgetWhatWasSent(t *testing.T) {
	w, _ := grove(t)
	const large = `{trees(of:3000){name words}}`
	for range 3 {
		require.Empty(t, w.post(t, large).Errors)
		w.do(t, "POST", "/graphql", `{"query":"`+large+`"}`, "Content-Type", "application/json",
			"Accept", "text/event-stream")
		p := w.call(t, nil)
		p.send(t, "subscribe", "1", query(large))
		p.want(t, "next", "1", "")
		p.want(t, "complete", "1", "")
	}
	require.Eventually(t, func() bool { return w.gate.Places().Unsent() == 0 }, patience, time.Millisecond)
}
