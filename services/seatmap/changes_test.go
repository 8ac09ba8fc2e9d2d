package seatmap_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/seatmap"
)

// Whatever is sold and given back, the changes on an older map make it the newer one.
func TestReplay_MakesTheSameMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs, seats := rapid.IntRange(1, 127).Draw(t, "legs"), rapid.IntRange(1, 300).Draw(t, "seats")
		now := []*seatmap.Map{seatmap.New(legs, seats), seatmap.New(legs, 7)}
		then := []*seatmap.Map{now[0].Clone(), now[1].Clone()}
		var changes []byte
		for range rapid.IntRange(0, 60).Draw(t, "sales") {
			c := seatmap.Change{Class: rapid.IntRange(0, 1).Draw(t, "class")}
			m := now[c.Class]
			c.Seat = rapid.IntRange(0, m.Seats()-1).Draw(t, "seat")
			c.From = rapid.IntRange(0, legs-1).Draw(t, "from")
			c.To = rapid.IntRange(c.From+1, legs).Draw(t, "to")
			c.Freed = !m.IsFree(c.Seat, c.From, c.To)
			change := m.Sell
			if c.Freed {
				change = m.Release
			}
			if change(c.Seat, c.From, c.To) == nil {
				changes = seatmap.AppendChange(changes, c)
			}
			if rapid.Bool().Draw(t, "whole maps") {
				then, changes = []*seatmap.Map{now[0].Clone(), now[1].Clone()}, nil
			}
		}
		require.NoError(t, seatmap.Replay(then, changes))
		require.Equal(t, now, then)
	})
}

func TestReplay_RefusesWhatDoesNotFit(t *testing.T) {
	maps := func() []*seatmap.Map { return []*seatmap.Map{seatmap.New(3, 10)} }
	sale := seatmap.Change{Seat: 9, From: 0, To: 3}
	sold := seatmap.AppendChange(nil, sale)
	require.NoError(t, seatmap.Replay(maps(), sold))
	require.ErrorIs(t, seatmap.Replay(maps(), append(sold, sold...)), seatmap.ErrSold)
	sale.Freed = true
	require.ErrorIs(t, seatmap.Replay(maps(), seatmap.AppendChange(nil, sale)), seatmap.ErrNotSold)
	for name, c := range map[string]seatmap.Change{
		"a class there is not":     {Class: 1, To: 1},
		"a seat there is not":      {Seat: 10, To: 1},
		"a leg there is not":       {To: 4},
		"a way without a leg":      {From: 1, To: 1},
		"a seat far beyond all":    {Seat: 1 << 40, To: 1},
		"a call that wraps around": {From: -1, To: 1},
	} {
		require.Error(t, seatmap.Replay(maps(), seatmap.AppendChange(nil, c)), name)
	}
	for end := 1; end < len(sold); end++ {
		require.Error(t, seatmap.Replay(maps(), sold[:end]))
	}
}
