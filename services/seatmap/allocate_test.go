package seatmap_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// hall is a map with its layout, and names for its seats: "3/23B".
type hall struct {
	*seatmap.Map
	layout *seatmap.Layout
	names  []string
}

func newHall(legs int, coaches ...rail.Coach) *hall {
	f := rail.NewFormation(coaches)
	h := &hall{layout: seatmap.NewLayout(f, rail.Second)}
	for _, ref := range f.Seats(rail.Second) {
		h.names = append(h.names, ref.Coach.Number+"/"+ref.Seat.Label)
	}
	h.Map = seatmap.New(legs, len(h.names))
	return h
}

// rows is a coach of second class in some layout of letters.
func rows(t testing.TB, number, letters string, first, last int, without ...string) rail.Coach {
	t.Helper()
	seats, err := rail.RowSeats(letters, first, last, without)
	require.NoError(t, err)
	return rail.Coach{Number: number, SeatClass: rail.Second, Seats: seats}
}

// sell sells seats by their names.
func (h *hall) sell(t testing.TB, i, j int, names ...string) {
	t.Helper()
	for _, name := range names {
		seat := slices.Index(h.names, name)
		require.GreaterOrEqual(t, seat, 0, name)
		require.NoError(t, h.Sell(seat, i, j))
	}
}

// sellAllBut leaves only some seats free.
func (h *hall) sellAllBut(t testing.TB, i, j int, names ...string) {
	t.Helper()
	for seat, name := range h.names {
		if !slices.Contains(names, name) {
			require.NoError(t, h.Sell(seat, i, j))
		}
	}
}

// give allocates and answers with names, "sold out" when refused.
func (h *hall) give(i, j int, wishes ...rail.Wish) string {
	seats, ok := h.Allocate(h.layout, i, j, wishes)
	if !ok {
		return "sold out"
	}
	var names []string
	for _, seat := range seats {
		names = append(names, h.names[seat])
	}
	return strings.Join(names, " ")
}

var (
	nothing = rail.Wish{}
	window  = rail.Wish{Position: rail.Window}
	middle  = rail.Wish{Position: rail.Middle}
	aisle   = rail.Wish{Position: rail.Aisle}
)

func letter(l string) rail.Wish  { return rail.Wish{Letter: l} }
func inCoach(n string) rail.Wish { return rail.Wish{Coach: n} }

func TestAllocate_WastesLeast(t *testing.T) {
	h := newHall(6, rows(t, "3", "ABC DF", 1, 2))
	h.sell(t, 0, 2, "3/1F")         // sold before the trip
	h.sell(t, 4, 6, "3/2A")         // sold after it
	h.sell(t, 0, 2, "3/2C", "3/2D") // sold before it
	h.sell(t, 4, 6, "3/2D")         // and after it
	h.sell(t, 0, 1, "3/1A", "3/1B") // not next to it: that helps nothing
	require.Equal(t, "3/2D", h.give(2, 4, nothing), "both neighbouring legs are sold")
	require.Equal(t, "3/1F", h.give(2, 4, nothing), "one is, and it comes before 2A and 2C")
	require.Equal(t, "3/2A", h.give(2, 4, nothing))
	require.Equal(t, "3/2C", h.give(2, 4, nothing))
	require.Equal(t, "3/1A", h.give(2, 4, nothing), "none is: the first")
	require.Equal(t, "3/1B", h.give(2, 4, nothing))
}

func TestAllocate_EndsOfTheRunCountAsSold(t *testing.T) {
	h := newHall(4, rows(t, "1", "AB", 1, 2))
	h.sell(t, 2, 4, "1/2A")
	require.Equal(t, "1/2A", h.give(0, 2, nothing), "nothing is before the origin, and after it the seat is sold")
	h = newHall(4, rows(t, "1", "AB", 1, 2))
	h.sell(t, 0, 2, "1/2A")
	require.Equal(t, "1/2A", h.give(2, 4, nothing), "nothing is after the terminus")
}

func TestAllocate_HonoursAWishBeforeItSavesWaste(t *testing.T) {
	h := newHall(3, rows(t, "3", "ABC DF", 22, 24), rows(t, "4", "ABC DF", 22, 24))
	h.sell(t, 0, 1, "3/22A")
	h.sell(t, 2, 3, "3/22A")
	require.Equal(t, "3/22B", h.give(1, 2, middle), "22A would waste nothing")
	require.Equal(t, "3/23B", h.give(1, 2, letter("b")))
	require.Equal(t, "4/22A", h.give(1, 2, inCoach("4")))
	require.Equal(t, "4/22B", h.give(1, 2, rail.Wish{Position: rail.Middle, Coach: "4"}))
	require.Equal(t, "3/22F", h.give(1, 2, rail.Wish{Position: rail.Window, Letter: "F", Coach: "3"}))
	require.Equal(t, "4/22F", h.give(1, 2, rail.Wish{Position: rail.Window, Letter: "F", Coach: "4"}),
		"23F of coach 3 meets two parts")
	require.Equal(t, "3/22A", h.give(1, 2, nothing), "now what wastes nothing")
}

func TestAllocate_HonoursAsMuchOfAWishAsIsFree(t *testing.T) {
	h := newHall(2, rows(t, "3", "ABC DF", 1, 2), rows(t, "4", "ABC DF", 1, 2))
	require.Equal(t, "3/1A", h.give(0, 1, rail.Wish{Position: rail.Window, Letter: "B"}),
		"no seat is both, A meets one")
	require.Equal(t, "4/1A", h.give(0, 1, rail.Wish{Position: rail.Window, Letter: "B", Coach: "4"}),
		"two parts of three")
	require.Equal(t, "3/1B", h.give(0, 1, rail.Wish{Position: rail.UpperBerth}), "nobody can: no reason to refuse")
	require.Equal(t, "3/1C", h.give(0, 1, rail.Wish{Letter: "Z", Coach: "17"}))
}

func TestAllocate_SideBySide(t *testing.T) {
	h := newHall(2, rows(t, "3", "ABC DF", 22, 24))
	require.Equal(t, "3/22A 3/22B", h.give(0, 1, nothing, nothing))
	require.Equal(t, "3/22D 3/22F", h.give(0, 1, nothing, nothing), "not C and D, the aisle is between them")
	require.Equal(t, "3/23A 3/23B 3/23C", h.give(0, 1, nothing, nothing, nothing))
	require.Equal(t, "3/24A 3/24B 3/24C 3/24D", h.give(0, 1, nothing, nothing, nothing, nothing),
		"four cannot but sit across")
	require.Equal(t, "3/23D 3/23F", h.give(0, 1, nothing, nothing))
	require.Equal(t, "3/22C 3/24F", h.give(0, 1, nothing, nothing), "what is left")
	require.Equal(t, "sold out", h.give(0, 1, nothing))
}

// The map keeps 64 seats in a word: 13D is the last of the first, 13F the first of the second.
func TestAllocate_SideBySideOverTheEdgeOfAWord(t *testing.T) {
	h := newHall(1, rows(t, "3", "ABC DF", 1, 18))
	h.sellAllBut(t, 0, 1, "3/13D", "3/13F", "3/15A", "3/15B")
	require.Equal(t, "3/13D 3/13F", h.give(0, 1, nothing, nothing))
}

func TestAllocate_AcrossTheAisleBeforeApart(t *testing.T) {
	h := newHall(1, rows(t, "3", "ABC DF", 1, 3))
	h.sellAllBut(t, 0, 1, "3/1A", "3/1C", "3/2C", "3/2D", "3/3A")
	require.Equal(t, "3/2C 3/2D", h.give(0, 1, nothing, nothing))
}

func TestAllocate_SideBySideWastesLeast(t *testing.T) {
	h := newHall(3, rows(t, "3", "ABC DF", 1, 9))
	h.sell(t, 0, 1, "3/5D", "3/5F", "3/7C", "3/7D")
	h.sell(t, 2, 3, "3/5D", "3/7C", "3/7D")
	require.Equal(t, "3/5D 3/5F", h.give(1, 2, nothing, nothing), "7C and 7D would waste less, but across the aisle")
	require.Equal(t, "3/7A 3/7B 3/7C", h.give(1, 2, nothing, nothing, nothing))
}

func TestAllocate_ASeatThatIsNotThereIsBetweenToo(t *testing.T) {
	h := newHall(1, rows(t, "3", "ABC DF", 1, 3, "1B", "3B"))
	h.sell(t, 0, 1, "3/1D", "3/1F", "3/2D", "3/2F")
	require.Equal(t, "3/2A 3/2B", h.give(0, 1, nothing, nothing), "1A and 1C are not side by side")
	require.Equal(t, "3/3D 3/3F", h.give(0, 1, nothing, nothing))
	require.Equal(t, "3/1A 3/1C", h.give(0, 1, nothing, nothing), "in one row at least")
}

func TestAllocate_NeighboursMeetAtNoRowsEnd(t *testing.T) {
	h := newHall(1, rows(t, "3", "ABC DF", 1, 4), rows(t, "4", "ABC DF", 1, 4))
	h.sellAllBut(t, 0, 1, "3/1F", "3/2A", "3/2C", "3/4F", "4/1A")
	require.Equal(t, "3/2A 3/2C", h.give(0, 1, nothing, nothing), "1F and 2A follow each other but are far apart")
	require.Equal(t, "3/1F 3/4F", h.give(0, 1, nothing, nothing), "not 4F and 1A of the next coach")
}

func TestAllocate_OneCoachBeforeTheFirstSeats(t *testing.T) {
	h := newHall(1, rows(t, "3", "ABC DF", 1, 2), rows(t, "4", "ABC DF", 1, 4))
	h.sellAllBut(t, 0, 1, "3/1A", "3/1F", "4/1A", "4/2B", "4/4F", "4/4C")
	require.Equal(t, "4/2B 4/4C 4/4F", h.give(0, 1, nothing, nothing, nothing), "in three rows, not four")
}

func TestAllocate_FewestRowsThenColumns(t *testing.T) {
	h := newHall(1, rows(t, "3", "ABC DF", 1, 9))
	h.sellAllBut(t, 0, 1, "3/1A", "3/2F", "3/4A", "3/5B", "3/6A", "3/8A")
	require.Equal(t, "3/4A 3/5B", h.give(0, 1, nothing, nothing), "rows 1 and 2 are as near, but on both sides")
	require.Equal(t, "3/1A 3/2F", h.give(0, 1, nothing, nothing))
}

func TestAllocate_PartyLargerThanARow(t *testing.T) {
	h := newHall(1, rows(t, "3", "ABC DF", 1, 4))
	h.sell(t, 0, 1, "3/1A", "3/1B")
	require.Equal(t, "3/2A 3/2B 3/2C 3/2D 3/2F 3/3A 3/3B 3/3C 3/3D",
		h.give(0, 1, make([]rail.Wish, 9)...), "two rows, not three")
}

func TestAllocate_OverAsFewCoachesAsCanBe(t *testing.T) {
	h := newHall(1, rows(t, "1", "AB", 1, 2), rows(t, "2", "AB", 1, 3), rows(t, "3", "AB", 1, 2),
		rows(t, "4", "AB", 1, 3))
	h.sell(t, 0, 1, "1/1A", "3/2B", "3/1A", "4/1B", "4/2A")
	require.Equal(t, "1/2A 1/2B 2/1A 2/1B 2/2A 2/2B 2/3A 2/3B", h.give(0, 1, make([]rail.Wish, 8)...),
		"all of coach 2, and the other two side by side")
	require.Equal(t, "1/1B 3/1B 3/2A 4/1A 4/2B 4/3A 4/3B", h.give(0, 1, make([]rail.Wish, 7)...), "all that is left")
	require.Equal(t, "sold out", h.give(0, 1, nothing))
}

func TestAllocate_OfEquallyEmptyCoachesTheFirst(t *testing.T) {
	h := newHall(1, rows(t, "1", "AB", 1, 1), rows(t, "2", "AB", 1, 1), rows(t, "3", "AB", 1, 1))
	require.Equal(t, "1/1A 1/1B 2/1A", h.give(0, 1, nothing, nothing, nothing))
}

func TestAllocate_SpreadPartyKeepsWishes(t *testing.T) {
	h := newHall(1, rows(t, "1", "AB", 1, 2), rows(t, "2", "AB", 1, 1))
	require.Equal(t, "2/1A 1/1B 1/2A 2/1B 1/1A 1/2B",
		h.give(0, 1, inCoach("2"), nothing, nothing, rail.Wish{Letter: "B", Coach: "2"}, letter("A"), letter("B")))
}

// The passengers who are left for the last coach wish for nothing: they sit side by side there, whatever the others
// wish.
func TestAllocate_RestOfASpreadPartyIsTogether(t *testing.T) {
	h := newHall(1, rows(t, "1", "AB CD", 1, 2), rows(t, "2", "AB CD", 1, 2))
	h.sellAllBut(t, 0, 1, "1/1A", "1/1B", "1/1C", "1/1D", "1/2A", "2/1B", "2/1C", "2/2A", "2/2B")
	require.Equal(t, "1/1A 1/1B 1/1C 1/1D 1/2A 2/2A 2/2B",
		h.give(0, 1, window, nothing, nothing, window, nothing, nothing,
			nothing), "not over the aisle in 2/1B and 2/1C")
}

func TestAllocate_WishesOfAParty(t *testing.T) {
	for name, c := range map[string]struct {
		free   []string
		wishes []rail.Wish
		want   string
	}{
		"the window to whom wishes it": {nil, []rail.Wish{nothing, window}, "1/1B 1/1A"},
		"window and aisle":             {nil, []rail.Wish{aisle, window}, "1/1D 1/1F"},
		"letters side by side":         {nil, []rail.Wish{letter("C"), letter("B")}, "1/1C 1/1B"},
		"a letter in lower case":       {nil, []rail.Wish{letter("b"), nothing}, "1/1B 1/1A"},
		"both windows of a row":        {nil, []rail.Wish{letter("F"), letter("A")}, "1/1F 1/1A"},
		"a window each":                {nil, []rail.Wish{window, window}, "1/1A 1/1F"},
		"three windows, two rows":      {nil, []rail.Wish{window, window, window}, "1/1A 1/1F 1/2A"},
		"the coach":                    {nil, []rail.Wish{inCoach("2"), inCoach("2")}, "2/1A 2/1B"},
		"the coach wished by most": {
			nil,
			[]rail.Wish{inCoach("2"), inCoach("1"), inCoach("2")},
			"2/1A 2/1B 2/1C",
		},
		"the coach, of equally many": {nil, []rail.Wish{inCoach("2"), inCoach("1")}, "1/1A 1/1B"},
		"coach and window": {
			nil,
			[]rail.Wish{nothing, {Position: rail.Window, Coach: "2"}},
			"2/1B 2/1A",
		},
		"who has no choice comes first": {
			[]string{"1/1A", "1/1C", "1/1F"},
			[]rail.Wish{window, letter("A")},
			"1/1F 1/1A",
		},
		"what cannot be":            {nil, []rail.Wish{{Position: rail.LowerBerth}, letter("Z")}, "1/1A 1/1B"},
		"a coach that is not there": {nil, []rail.Wish{inCoach("9"), nothing}, "1/1A 1/1B"},
		"together before a wished coach": {
			[]string{"1/1A", "1/2F", "1/2D", "2/1A", "2/1B"},
			[]rail.Wish{inCoach("2"), inCoach("2"), inCoach("2")},
			"1/1A 1/2D 1/2F",
		},
		"together before a wished window": {
			[]string{"1/1A", "2/1B", "2/1C"},
			[]rail.Wish{window, nothing},
			"2/1B 2/1C",
		},
		"wishes before side by side": {
			[]string{"1/1A", "1/1B", "1/2F", "1/2D", "2/1B", "2/1C"},
			[]rail.Wish{window, window},
			"1/1A 1/2F",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(1, rows(t, "1", "ABC DF", 1, 3), rows(t, "2", "ABC DF", 1, 3))
			if c.free != nil {
				h.sellAllBut(t, 0, 1, c.free...)
			}
			require.Equal(t, c.want, h.give(0, 1, c.wishes...))
		})
	}
}

func TestAllocate_Berths(t *testing.T) {
	seats, err := rail.BerthSeats([]rail.SeatPosition{rail.LowerBerth, rail.MiddleBerth, rail.UpperBerth}, 1, 6)
	require.NoError(t, err)
	h := newHall(1, rail.Coach{Number: "9", SeatClass: rail.Second, Seats: seats})
	lower := rail.Wish{Position: rail.LowerBerth}
	require.Equal(t, "9/1L 9/1M 9/1U", h.give(0, 1, nothing, nothing, nothing), "one stack")
	require.Equal(t, "9/2L 9/3L", h.give(0, 1, lower, lower), "two who cannot climb")
	require.Equal(t, "9/4M 9/4L", h.give(0, 1, nothing, lower))
	require.Equal(t, "9/2M 9/2U 9/3M 9/3U", h.give(0, 1, make([]rail.Wish, 4)...), "two stacks, the same two tiers")
}

// On trains whose seats are numbered through nothing is known of rows: near is what follows.
func TestAllocate_SeatsNumberedThrough(t *testing.T) {
	coach := rail.Coach{Number: "17", SeatClass: rail.Second}
	for _, label := range []string{"001", "002", "003", "004", "005", "006", "007", "008"} {
		coach.Seats = append(coach.Seats, rail.Seat{Label: label})
	}
	h := newHall(1, coach)
	h.sell(t, 0, 1, "17/002", "17/004")
	require.Equal(t, "17/005 17/006 17/007", h.give(0, 1, nothing, nothing, nothing))
	require.Equal(t, "17/001 17/003", h.give(0, 1, nothing, nothing))
	require.Equal(t, "17/008", h.give(0, 1, window))
}

func TestAllocate_AllOrNothing(t *testing.T) {
	h := newHall(3, rows(t, "1", "AB", 1, 2))
	h.sell(t, 1, 2, "1/1A", "1/2B")
	before := h.Clone()
	require.Equal(t, "sold out", h.give(0, 3, nothing, nothing, nothing))
	require.Equal(t, before, h.Map)
	require.Equal(t, "1/1B 1/2A", h.give(0, 3, nothing, nothing))
	seats, ok := h.Allocate(h.layout, 0, 3, nil)
	require.True(t, ok, "nobody needs nothing")
	require.Empty(t, seats)
}

// drawn is a random train of high-speed coaches with random trips sold.
func drawn(t *rapid.T) (*rail.Formation, *hall) {
	var coaches []rail.Coach
	for n := range rapid.IntRange(1, 4).Draw(t, "coaches") {
		without := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"1A", "1B", "2B", "2D", "3F"}), rapid.ID[string]).
			Draw(t, "without")
		letters := rapid.SampledFrom([]string{"ABC DF", "AC DF", "A CF", "ABCD"}).Draw(t, "letters")
		seats, err := rail.RowSeats(letters, 1, rapid.IntRange(2, 8).Draw(t, "rows"), without)
		require.NoError(t, err)
		coaches = append(coaches, rail.Coach{Number: string(rune('1' + n)), SeatClass: rail.Second, Seats: seats})
	}
	f := rail.NewFormation(coaches)
	h := newHall(rapid.IntRange(1, 5).Draw(t, "legs"), coaches...)
	most := rapid.IntRange(0, 2*h.Seats()).Draw(t, "at most sold")
	for range most {
		i, j := pair(t, h.Legs())
		seat := rapid.IntRange(0, h.Seats()-1).Draw(t, "seat")
		if h.IsFree(seat, i, j) {
			require.NoError(t, h.Sell(seat, i, j))
		}
	}
	return f, h
}

// judge knows the rules as a person reads them: seat by seat, with no words and no masks.
type judge struct {
	refs []rail.SeatRef
	m    *seatmap.Map
	i, j int
}

func (g *judge) free(seat int) bool { return g.m.IsFree(seat, g.i, g.j) }

func (g *judge) waste(seat int) int {
	n := 0
	if g.i > 0 && g.m.IsFree(seat, g.i-1, g.i) {
		n++
	}
	if g.j < g.m.Legs() && g.m.IsFree(seat, g.j, g.j+1) {
		n++
	}
	return n
}

func (g *judge) met(seat int, w rail.Wish) int {
	n, ref := 0, g.refs[seat]
	if w.Position != "" && w.Position == ref.Seat.Position {
		n++
	}
	if w.Letter != "" && strings.EqualFold(w.Letter, ref.Seat.Letter()) {
		n++
	}
	if w.Coach != "" && w.Coach == ref.Coach.Number {
		n++
	}
	return n
}

// most is how many parts of the wishes the seats can meet, by trying every order.
func (g *judge) most(seats []int, wishes []rail.Wish) int {
	if len(seats) == 0 {
		return 0
	}
	best := 0
	for n := range wishes {
		others := slices.Delete(slices.Clone(wishes), n, n+1)
		best = max(best, g.met(seats[0], wishes[n])+g.most(seats[1:], others))
	}
	return best
}

// neighbours tells whether b is the next seat to a in the coach's pattern of letters.
func (g *judge) neighbours(a, b int) bool {
	x, y := g.refs[a], g.refs[b]
	if x.Coach != y.Coach || x.Seat.Row() != y.Seat.Row() {
		return false
	}
	letters := map[string]bool{}
	for _, seat := range x.Coach.Seats {
		letters[seat.Letter()] = true
	}
	for between := range letters {
		if between > x.Seat.Letter() && between < y.Seat.Letter() {
			return false
		}
	}
	return true
}

// grade is how good seats, in ascending order, are for a party, the worst first; smaller is better.
func (g *judge) grade(seats []int, wishes []rail.Wish) []int {
	parts, apart, columns, waste := 0, 0, 0, 0
	for _, w := range wishes {
		for _, part := range []string{string(w.Position), w.Letter, w.Coach} {
			if part != "" {
				parts++
			}
		}
	}
	for n, seat := range seats {
		waste += g.waste(seat)
		if n == 0 {
			continue
		}
		before := seats[n-1]
		switch {
		case seat != before+1 || !g.neighbours(before, seat):
			apart = 2
		case g.refs[before].Seat.Position == rail.Aisle && g.refs[seat].Seat.Position == rail.Aisle:
			apart = max(apart, 1)
		}
	}
	if apart == 2 {
		apart, columns = g.spread(seats)
		apart += 2
	}
	return []int{parts - g.most(seats, wishes), apart, columns, waste}
}

// spread is over how many rows and columns of a coach seats are.
func (g *judge) spread(seats []int) (rows, columns int) {
	var rowsOf, columnsOf []string
	for _, seat := range g.refs[seats[0]].Coach.Seats {
		if !slices.Contains(rowsOf, seat.Row()) {
			rowsOf = append(rowsOf, seat.Row())
		}
		if !slices.Contains(columnsOf, seat.Letter()) {
			columnsOf = append(columnsOf, seat.Letter())
		}
	}
	slices.Sort(columnsOf)
	low, high := len(columnsOf), -1
	for _, seat := range seats {
		at := slices.Index(columnsOf, g.refs[seat].Seat.Letter())
		low, high = min(low, at), max(high, at)
	}
	first, last := g.refs[seats[0]].Seat.Row(), g.refs[seats[len(seats)-1]].Seat.Row()
	return slices.Index(rowsOf, last) - slices.Index(rowsOf, first) + 1, high - low + 1
}

// freeByCoach are the free seats of each coach.
func (g *judge) freeByCoach() [][]int {
	var coaches [][]int
	for seat, ref := range g.refs {
		if seat == 0 || g.refs[seat-1].Coach != ref.Coach {
			coaches = append(coaches, nil)
		}
		if g.free(seat) {
			coaches[len(coaches)-1] = append(coaches[len(coaches)-1], seat)
		}
	}
	return coaches
}

// One passenger gets exactly the seat that the rules name.
func TestAllocate_OneAgainstTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, h := drawn(t)
		i, j := pair(t, h.Legs())
		w := wish(t)
		g := &judge{f.Seats(rail.Second), h.Clone(), i, j}
		want, best := -1, []int(nil)
		for seat := range h.Seats() {
			grade := []int{-g.met(seat, w), g.waste(seat)}
			if g.free(seat) && (best == nil || slices.Compare(grade, best) < 0) {
				want, best = seat, grade
			}
		}
		got, ok := h.Allocate(h.layout, i, j, []rail.Wish{w})
		require.Equal(t, want >= 0, ok)
		if ok {
			require.Equal(t, []int{want}, got)
		}
	})
}

// A party without wishes gets exactly the best block, or else the best seats that follow each other in one coach.
func TestAllocate_PartyAgainstTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, h := drawn(t)
		i, j := pair(t, h.Legs())
		wishes := make([]rail.Wish, rapid.IntRange(2, rail.MaxPassengers).Draw(t, "party"))
		g := &judge{f.Seats(rail.Second), h.Clone(), i, j}
		var want, best []int
		for _, free := range g.freeByCoach() {
			for n := 0; n+len(wishes) <= len(free); n++ {
				seats := free[n : n+len(wishes)]
				if grade := g.grade(seats, nil); best == nil || slices.Compare(grade, best) < 0 {
					want, best = seats, grade
				}
			}
		}
		got, ok := h.Allocate(h.layout, i, j, wishes)
		if want != nil {
			require.True(t, ok)
			require.Equal(t, want, got)
		}
	})
}

// Whatever a party wishes: it is in one coach where one has room, else in as few as can be; it gets no worse seats than
// the best block there is; among the seats it got wishes are met as well as can be; and another server would give the
// same.
func TestAllocate_PartyWithWishesAgainstTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, h := drawn(t)
		i, j := pair(t, h.Legs())
		wishes := rapid.SliceOfN(rapid.Custom(wish), 2, 6).Draw(t, "wishes")
		g := &judge{f.Seats(rail.Second), h.Clone(), i, j}
		byCoach := g.freeByCoach()

		again := h.Clone()
		got, ok := h.Allocate(h.layout, i, j, wishes)
		same, _ := again.Allocate(h.layout, i, j, wishes)
		require.Equal(t, got, same)
		if !ok {
			return
		}

		met := 0
		for n, seat := range got {
			met += g.met(seat, wishes[n])
		}
		require.Equal(t, g.most(got, wishes), met, "the seats they got, in the best order")

		slices.SortStableFunc(byCoach, func(a, b []int) int { return len(b) - len(a) })
		fewest := 0
		for n := 0; n < len(wishes); fewest++ {
			n += len(byCoach[fewest])
		}
		used := map[*rail.Coach]bool{}
		for _, seat := range got {
			used[g.refs[seat].Coach] = true
		}
		require.Len(t, used, fewest)

		if fewest > 1 {
			return
		}
		sorted := slices.Sorted(slices.Values(got))
		grade := g.grade(sorted, wishes)
		for _, free := range byCoach {
			for n := 0; n+len(wishes) <= len(free); n++ {
				seats := free[n : n+len(wishes)]
				if other := g.grade(seats, wishes); other[1] < 2 {
					require.LessOrEqual(t, slices.Compare(grade, other), 0, "%v is %v, the block %v is %v", sorted,
						grade, seats, other)
				}
			}
		}
	})
}
