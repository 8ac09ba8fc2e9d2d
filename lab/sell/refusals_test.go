package sell

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/lab/load"
)

// TestJudge: one seat of each class; that of the first is sold from call 2 to call 5 at 100 ms.
func TestJudge(t *testing.T) {
	tickets := []sold{{at: 100, from: 2, to: 5}}
	refused := func(asked, heard int64, from, to int8) load.NoSeat {
		return load.NoSeat{From: from, To: to, AskedAt: time.UnixMilli(asked), HeardAt: time.UnixMilli(heard)}
	}
	for what, test := range map[string]struct {
		refusal load.NoSeat
		want    verdict
	}{
		"full when asked":                 {refused(101, 150, 3, 4), verdict{}},
		"sold in between":                 {refused(90, 120, 3, 4), verdict{undecided: 1}},
		"sold in the millisecond asked":   {refused(100, 120, 3, 4), verdict{undecided: 1}},
		"sold in the millisecond heard":   {refused(90, 100, 3, 4), verdict{undecided: 1}},
		"all within one millisecond":      {refused(100, 100, 3, 4), verdict{undecided: 1}},
		"sold only after it was heard":    {refused(90, 99, 3, 4), verdict{wrong: 1}},
		"free all the time":               {refused(101, 150, 5, 9), verdict{wrong: 1}},
		"free up to where it is occupied": {refused(10, 2_000, 0, 2), verdict{wrong: 1}},
	} {
		got, err := judge(1, []load.NoSeat{test.refusal}, tickets)
		require.NoError(t, err, what)
		require.Equal(t, test.want, got, what)
	}
	got, err := judge(1, []load.NoSeat{
		refused(101, 150, 3, 4), refused(90, 120, 4, 6), refused(1, 2, 4, 6), refused(90, 99, 2, 3),
	}, tickets)
	require.NoError(t, err)
	require.Equal(t, verdict{wrong: 2, undecided: 1}, got)
	_, err = judge(1, []load.NoSeat{refused(200, 201, 0, 1)}, append(tickets, tickets...))
	require.Error(t, err, "one seat is there twice")
}
