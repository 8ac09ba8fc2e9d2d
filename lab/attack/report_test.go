package attack

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/lab/load"
	"interlock/services/audit"
)

// withstood is a round in which nothing is wrong.
func withstood() *Round {
	return &Round{
		Attack: Window{Buyers: &load.Result{Orders: 1_200, P99Milliseconds: 30}, PeakMegabytes: 90},
		Static: Window{Buyers: &load.Result{Orders: 1_200, P99Milliseconds: 20}},
		Told:   map[string]map[string]int{"7 levels": {"COMPLEXITY_LIMIT_EXCEEDED": 40}},
	}
}

// conclude judges some rounds.
func conclude(rounds ...*Round) *Outcome {
	o := &Outcome{Name: "planted", Rounds: rounds}
	for _, r := range rounds {
		r.judge(50)
	}
	o.conclude()
	return o
}

func TestOutcome_Withstood(t *testing.T) {
	o := conclude(withstood())
	require.True(t, o.OK, o.Wrong, o.Slow)
	require.False(t, o.again())
	require.InDelta(t, 1.5, o.Rounds[0].Ratio, 1e-9)
	require.InDelta(t, 40, o.Rounds[0].GrowthMegabytes, 1e-9)
}

// TestOutcome_Planted plants what each bound is there for.
func TestOutcome_Planted(t *testing.T) {
	for name, planted := range map[string]struct {
		plant func(*Round)
		says  string
	}{
		"a slow server": {
			func(r *Round) { r.Attack.Buyers.P99Milliseconds = 41 },
			"buyers waited 41.0 ms at p99 instead of 20.0 ms: 2.05 times",
		},
		"buyers who are turned away": {
			func(r *Round) { r.Attack.Buyers.Orders = 1_079 },
			"buyers got 1079 orders instead of 1200",
		},
		"nothing to hold it against": {
			func(r *Round) { r.Static.Buyers.Orders = 0 },
			"nobody bought anything beside static requests",
		},
		"memory that grows": {func(r *Round) { r.Attack.PeakMegabytes = 351 }, "its memory grew by 301 MB"},
		"a server that was ended": {
			func(r *Round) { r.Killed = true },
			"the server was ended when it had more than 2048 MB",
		},
		"a server that ended itself": {func(r *Round) { r.Died = true }, "the server ended"},
		"an attacker who hears nothing": {
			func(r *Round) { r.Unexplained = map[string]int{"7 levels: no answer within 15s": 3} },
			"3 × 7 levels: no answer within 15s",
		},
		"a hoard": {
			func(r *Round) { r.Found = []string{"one account held 6 orders"} },
			"one account held 6 orders",
		},
		"an attack by nobody": {func(r *Round) { r.Told = nil }, "nobody attacked"},
		"a server that is down": {
			func(r *Round) { r.Attack.Buyers.Orders, r.Attack.Buyers.P99Milliseconds = 0, 0 },
			"buyers got 0 orders instead of 1200",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := withstood()
			planted.plant(r)
			o := conclude(r)
			require.False(t, o.OK)
			require.Equal(t, []string{planted.says}, slices.Concat(o.Wrong, o.Slow))
			report := &Report{Attacks: []*Outcome{conclude(withstood()), o}}
			require.False(t, report.OK())
			require.Equal(t, len(o.Wrong) == 0, report.Right())
			require.Contains(t, Text(report), planted.says)
		})
	}
}

// TestOutcome_Again plays an attack again for waits alone, and not for ever.
func TestOutcome_Again(t *testing.T) {
	slow, grown := withstood(), withstood()
	slow.Attack.Buyers.P99Milliseconds = 90
	grown.Attack.Buyers.P99Milliseconds, grown.Attack.PeakMegabytes = 90, 2_000
	require.True(t, conclude(slow).again())
	require.False(t, conclude(grown).again(), "memory does not grow by chance")
	require.False(t, conclude(slow, slow, slow).again(), "three times is no chance")
	require.False(t, conclude(slow, slow, slow).OK)
	require.True(t, conclude(slow, withstood()).OK)
	silent := withstood()
	silent.Unexplained = map[string]int{"cut off": 1}
	require.False(t, conclude(silent, withstood()).OK, "what was wrong in any round is wrong")
}

func TestReport_OK(t *testing.T) {
	good := func() *Report {
		return &Report{
			Attacks: []*Outcome{conclude(withstood())}, Starts: []Start{{Parameter: "charset=gbk", Refused: true}},
			Verify: &audit.Report{OK: true},
		}
	}
	require.True(t, good().OK())
	for name, plant := range map[string]func(*Report){
		"a server that reads in another way": func(r *Report) { r.Starts[0].Refused = false },
		"a defect":                           func(r *Report) { r.Verify.OK = false },
		"a lost order":                       func(r *Report) { r.Lost = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			plant(r)
			require.False(t, r.OK())
		})
	}
}

func TestHoarder_Most(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	h := hoarder{got: []bought{
		{at: at(0), payBy: at(10)},
		{at: at(1), payBy: at(3)},
		{at: at(3), payBy: at(13)},
		{at: at(4), payBy: at(14)},
		{at: at(20), payBy: at(30)},
	}}
	require.Equal(t, 3, h.most(), "the one that ends at 3 is over when the next is bought")
}

func TestTold(t *testing.T) {
	require.Equal(t, "A 5, B 1", Told(map[string]map[string]int{"x": {"A": 2, "B": 1}, "y": {"A": 3}}))
}

func TestChoose(t *testing.T) {
	all, err := choose(nil)
	require.NoError(t, err)
	require.Len(t, all, len(Names()))
	some, err := choose([]string{"hoard"})
	require.NoError(t, err)
	require.Len(t, some, 1)
	_, err = choose([]string{"hoards"})
	require.ErrorIs(t, err, ErrUnknown)
	require.Contains(t, err.Error(), strings.Join(Names(), ", "))
}
