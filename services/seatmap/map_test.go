package seatmap_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// naive is the seat map as anybody would write it first: sold[leg][seat].
type naive [][]bool

func newNaive(legs, seats int) naive {
	n := make(naive, legs)
	for leg := range n {
		n[leg] = make([]bool, seats)
	}
	return n
}

func (n naive) isFree(seat, i, j int) bool {
	for leg := i; leg < j; leg++ {
		if n[leg][seat] {
			return false
		}
	}
	return true
}

func (n naive) allSold(seat, i, j int) bool {
	for leg := i; leg < j; leg++ {
		if !n[leg][seat] {
			return false
		}
	}
	return true
}

func (n naive) set(seat, i, j int, sold bool) {
	for leg := i; leg < j; leg++ {
		n[leg][seat] = sold
	}
}

func (n naive) remaining(i, j int) int {
	left := 0
	for seat := range n[0] {
		if n.isFree(seat, i, j) {
			left++
		}
	}
	return left
}

func (n naive) soldLegs() int {
	sold := 0
	for _, leg := range n {
		for _, s := range leg {
			if s {
				sold++
			}
		}
	}
	return sold
}

// encoded is the ledger's layout, built seat by seat.
func (n naive) encoded() []byte {
	var out []byte
	for _, leg := range n {
		row := make([]byte, (len(leg)+63)/64*8)
		for seat, sold := range leg {
			if sold {
				row[seat/8] |= 1 << (seat % 8)
			}
		}
		out = append(out, row...)
	}
	return out
}

// size draws the size of a map: most are small, so that a program collides with itself, some as large as they get.
func size(t *rapid.T) (legs, seats int) {
	switch rapid.IntRange(0, 9).Draw(t, "size") {
	case 0:
		return rapid.IntRange(1, 127).Draw(t, "legs"), rapid.IntRange(1, 4_096).Draw(t, "seats")
	case 1:
		return 127, 4_096
	case 2:
		return rapid.IntRange(1, 10).
			Draw(t, "legs"), rapid.SampledFrom([]int{63, 64, 65, 127, 128, 511, 512, 513, 576}).Draw(t, "seats")
	}
	return rapid.IntRange(1, 8).Draw(t, "legs"), rapid.IntRange(1, 20).Draw(t, "seats")
}

func pair(t *rapid.T, legs int) (i, j int) {
	i = rapid.IntRange(0, legs-1).Draw(t, "i")
	return i, rapid.IntRange(i+1, legs).Draw(t, "j")
}

// plain is a formation of one class with that many seats in coaches of some size.
func plain(seats, perCoach int) *rail.Formation {
	var coaches []rail.Coach
	for n := 1; seats > 0; n++ {
		coach := rail.Coach{Number: fmt.Sprint(n), SeatClass: rail.Second}
		for s := range min(perCoach, seats) {
			letter := "ABCDF"[s%5 : s%5+1]
			position := map[string]rail.SeatPosition{
				"A": rail.Window, "B": rail.Middle, "C": rail.Aisle,
				"D": rail.Aisle, "F": rail.Window,
			}[letter]
			coach.Seats = append(coach.Seats, rail.Seat{Label: fmt.Sprint(s/5+1) + letter, Position: position})
		}
		coaches = append(coaches, coach)
		seats -= len(coach.Seats)
	}
	return rail.NewFormation(coaches)
}

func wish(t *rapid.T) rail.Wish {
	return rail.Wish{
		Position: rapid.SampledFrom([]rail.SeatPosition{
			"", "", "", rail.Window, rail.Middle, rail.Aisle,
			rail.LowerBerth,
		}).Draw(t, "position"),
		Letter: rapid.SampledFrom([]string{"", "", "", "A", "b", "F", "Z"}).Draw(t, "letter"),
		Coach:  rapid.SampledFrom([]string{"", "", "", "1", "2", "99"}).Draw(t, "coach"),
	}
}

// Promises 1 and 3 at their root: whatever is sold, allocated and released in whatever order, through the ledger and
// back, the map says what seat-by-seat bookkeeping says.
func TestMap_AgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs, seats := size(t)
		l := seatmap.NewLayout(plain(seats, rapid.IntRange(1, 100).Draw(t, "per coach")), rail.Second)
		m, n := seatmap.New(legs, seats), newNaive(legs, seats)
		type sale struct{ seat, i, j int }
		var sales []sale
		t.Repeat(map[string]func(*rapid.T){
			"sell": func(t *rapid.T) {
				i, j := pair(t, legs)
				seat := rapid.IntRange(0, seats-1).Draw(t, "seat")
				err := m.Sell(seat, i, j)
				if n.isFree(seat, i, j) {
					require.NoError(t, err)
					n.set(seat, i, j, true)
					sales = append(sales, sale{seat, i, j})
				} else {
					require.ErrorIs(t, err, seatmap.ErrSold)
				}
			},
			"release": func(t *rapid.T) {
				s := sale{seat: rapid.IntRange(0, seats-1).Draw(t, "seat")}
				s.i, s.j = pair(t, legs)
				if len(sales) > 0 && rapid.Bool().Draw(t, "a sale") {
					s = rapid.SampledFrom(sales).Draw(t, "which")
				}
				err := m.Release(s.seat, s.i, s.j)
				if n.allSold(s.seat, s.i, s.j) {
					require.NoError(t, err)
					n.set(s.seat, s.i, s.j, false)
				} else {
					require.ErrorIs(t, err, seatmap.ErrNotSold)
				}
			},
			"allocate": func(t *rapid.T) {
				i, j := pair(t, legs)
				wishes := rapid.SliceOfN(rapid.Custom(wish), 1, rail.MaxPassengers).Draw(t, "wishes")
				left := n.remaining(i, j)
				got, ok := m.Allocate(l, i, j, wishes)
				require.Equal(t, left >= len(wishes), ok)
				if !ok {
					require.Nil(t, got)
					return
				}
				require.Len(t, got, len(wishes))
				for _, seat := range got {
					// Also two passengers on one seat would fail here.
					require.True(t, n.isFree(seat, i, j), "seat %d of %v was not free", seat, got)
					n.set(seat, i, j, true)
					sales = append(sales, sale{seat, i, j})
				}
			},
			"through the ledger": func(t *rapid.T) {
				b := m.Encode()
				require.Equal(t, n.encoded(), b)
				decoded, err := seatmap.Decode(legs, seats, b)
				require.NoError(t, err)
				require.Equal(t, m, decoded)
				m = decoded
			},
			"copy": func(t *rapid.T) {
				before := m.Clone()
				i, j := pair(t, legs)
				m.Allocate(l, i, j, []rail.Wish{{}})
				m.CopyFrom(before)
				require.Equal(t, before, m)
			},
			"": func(t *rapid.T) {
				i, j := pair(t, legs)
				require.Equal(t, n.remaining(i, j), m.Remaining(i, j))
				seat := rapid.IntRange(0, seats-1).Draw(t, "seat")
				require.Equal(t, n.isFree(seat, i, j), m.IsFree(seat, i, j))
				require.Equal(t, n.soldLegs(), m.SoldLegs())
				require.Equal(t, legs, m.Legs())
				require.Equal(t, seats, m.Seats())
			},
		})
	})
}

// Every pair's count, where several classes share the counts of a run, is what Remaining says of it.
func TestCounts_AgainstRemaining(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		legs, seats := size(t)
		if legs > 40 && seats > 500 && rapid.IntRange(0, 9).Draw(t, "spare") > 0 {
			legs = 40 // The largest maps have 8,128 pairs: a few of them are enough.
		}
		m := seatmap.New(legs, seats)
		l := seatmap.NewLayout(plain(seats, 90), rail.Second)
		for range rapid.IntRange(0, 60).Draw(t, "parties") {
			i, j := pair(t, legs)
			m.Allocate(l, i, j, make([]rail.Wish, rapid.IntRange(1, 9).Draw(t, "size")))
		}
		stride := rapid.IntRange(1, 4).Draw(t, "stride")
		offset := rapid.IntRange(0, stride-1).Draw(t, "offset")
		const other = 54_321
		dst := make([]uint16, rail.Pairs(legs+1)*stride)
		for at := range dst {
			dst[at] = other
		}
		m.Counts(dst, stride, offset)
		for i := range legs {
			for j := i + 1; j <= legs; j++ {
				at := rail.PairIndex(legs+1, i, j) * stride
				for class := range stride {
					want := uint16(other)
					if class == offset {
						want = uint16(m.Remaining(i, j))
					}
					if dst[at+class] != want {
						t.Fatalf("pair %d, %d, class %d: %d, not %d", i, j, class, dst[at+class], want)
					}
				}
			}
		}
	})
}

func TestSell_ChangesNothingWhenRefused(t *testing.T) {
	m := seatmap.New(5, 70)
	require.NoError(t, m.Sell(69, 3, 4))
	before := m.Clone()

	require.ErrorIs(t, m.Sell(69, 0, 5), seatmap.ErrSold, "the first three legs are free")
	require.Equal(t, before, m)
	require.ErrorIs(t, m.Release(69, 3, 5), seatmap.ErrNotSold, "the first leg is sold")
	require.Equal(t, before, m)

	for _, wrong := range [][3]int{{-1, 0, 1}, {70, 0, 1}, {0, -1, 1}, {0, 0, 6}, {0, 2, 2}, {0, 3, 2}} {
		require.Error(t, m.Sell(wrong[0], wrong[1], wrong[2]), "%v", wrong)
		require.Error(t, m.Release(wrong[0], wrong[1], wrong[2]), "%v", wrong)
	}
	require.Equal(t, before, m)
}

// Callers that ask for what the run does not have are wrong, and "sold out" would be a lie.
func TestMap_PanicsOnImpossibleQuestions(t *testing.T) {
	m := seatmap.New(5, 70)
	l := seatmap.NewLayout(plain(70, 70), rail.Second)
	for name, ask := range map[string]func(){
		"no legs":          func() { seatmap.New(0, 1) },
		"negative seats":   func() { seatmap.New(1, -1) },
		"nowhere":          func() { m.Remaining(2, 2) },
		"backwards":        func() { m.Remaining(3, 2) },
		"too far":          func() { m.IsFree(0, 0, 6) },
		"no such seat":     func() { m.IsFree(70, 0, 1) },
		"allocate nowhere": func() { m.Allocate(l, 2, 2, nil) },
		"another layout": func() {
			m.Allocate(seatmap.NewLayout(plain(71, 71), rail.Second), 0, 1,
				make([]rail.Wish, 1))
		},
		"short counts":   func() { m.Counts(make([]uint16, 14), 1, 0) },
		"wild offset":    func() { m.Counts(make([]uint16, 30), 2, 2) },
		"too many seats": func() { seatmap.New(1, math.MaxUint16+1).Counts(make([]uint16, 1), 1, 0) },
	} {
		require.Panics(t, ask, name)
	}
}

func TestMap_WithoutSeats(t *testing.T) {
	m := seatmap.New(3, 0)
	require.Zero(t, m.Remaining(0, 3))
	require.Empty(t, m.Encode())
	_, ok := m.Allocate(seatmap.NewLayout(plain(0, 1), rail.Second), 0, 3, make([]rail.Wish, 1))
	require.False(t, ok)
	decoded, err := seatmap.Decode(3, 0, nil)
	require.NoError(t, err)
	require.Equal(t, m, decoded)
}

// More than the largest formation: the scratch rows do not hold it.
func TestMap_BeyondTheLargestFormation(t *testing.T) {
	const legs, seats = 3, 20_000
	m := seatmap.New(legs, seats)
	l := seatmap.NewLayout(plain(seats, 2_000), rail.Second)
	got, ok := m.Allocate(l, 1, 2, make([]rail.Wish, 9))
	require.True(t, ok)
	require.Len(t, got, 9)
	counts := make([]uint16, rail.Pairs(legs+1))
	m.Counts(counts, 1, 0)
	require.Equal(t, []uint16{20_000, 19_991, 19_991, 19_991, 19_991, 20_000}, counts)
}

func TestEncode_Layout(t *testing.T) {
	m := seatmap.New(2, 65)
	require.NoError(t, m.Sell(0, 0, 1))
	require.NoError(t, m.Sell(9, 0, 2))
	require.NoError(t, m.Sell(64, 1, 2))
	want := make([]byte, 2*2*8)
	want[0], want[1] = 1, 2 // leg 0: seats 0 and 9
	want[17], want[24] = 2, 1
	require.Equal(t, want, m.Encode())
	require.Equal(t, append([]byte("left: "), want...), m.AppendEncode([]byte("left: ")))
}

func TestDecode_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		legs, seats int
		sold        []byte
	}{
		"nothing":               {2, 65, nil},
		"a byte short":          {2, 65, make([]byte, 31)},
		"a byte long":           {2, 65, make([]byte, 33)},
		"a leg short":           {2, 65, make([]byte, 16)},
		"the wrong way round":   {65, 2, make([]byte, 32)},
		"no legs":               {0, 65, nil},
		"negative legs":         {-2, 65, make([]byte, 32)},
		"negative seats":        {2, -65, make([]byte, 32)},
		"very many seats":       {2, math.MaxInt, make([]byte, 32)},
		"very many legs":        {math.MaxInt, 65, make([]byte, 32)},
		"sold beyond the last":  {1, 65, binary.LittleEndian.AppendUint64(make([]byte, 8), 2)},
		"sold far beyond":       {1, 1, binary.LittleEndian.AppendUint64(nil, 1<<63)},
		"product wraps to zero": {1 << 61, 64, nil},
	} {
		_, err := seatmap.Decode(c.legs, c.seats, c.sold)
		require.Error(t, err, name)
	}
}

// What comes from a ledger is read whole or refused: never a panic, never another map than was written.
func FuzzDecode(f *testing.F) {
	f.Add(2, 65, make([]byte, 32))
	f.Add(1, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	f.Add(1, 1, []byte{2, 0, 0, 0, 0, 0, 0, 0})
	f.Add(0, 0, []byte{})
	f.Add(-1, math.MaxInt, []byte{1})
	f.Fuzz(func(t *testing.T, legs, seats int, sold []byte) {
		if seats == 0 && legs > 1<<20 {
			return // No bytes and any number of legs is a map; there is no need to count its pairs.
		}
		m, err := seatmap.Decode(legs, seats, sold)
		if err != nil {
			return
		}
		require.Equal(t, string(sold), string(m.Encode()))
		require.Len(t, sold, legs*((seats+63)/64)*8)
		ones := 0
		for _, b := range sold {
			ones += bits.OnesCount8(b)
		}
		require.Equal(t, ones, m.SoldLegs())
		left := m.Remaining(0, legs)
		require.GreaterOrEqual(t, left, 0)
		require.LessOrEqual(t, left, seats)
	})
}
