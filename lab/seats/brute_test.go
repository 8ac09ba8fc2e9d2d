package seats_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/lab/seats"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// cabin is one class of a train with two seats to a row and four to a coach.
func cabin(t require.TestingT, metres []int32, n int) *seats.Cabin {
	var coaches []rail.Coach
	for first := 0; first < n; first += 4 {
		all, err := rail.RowSeats("A B", 1, 2, nil)
		require.NoError(t, err)
		coaches = append(coaches, rail.Coach{
			Number: string(rune('1' + len(coaches))), SeatClass: rail.Second, Seats: all[:min(4, n-first)],
		})
	}
	layout := seatmap.NewLayout(rail.NewFormation(coaches), rail.Second)
	return &seats.Cabin{Class: rail.Second, Metres: metres, Seats: n, Layout: layout}
}

func drawCabin(t *rapid.T, maxSeats int) *seats.Cabin {
	metres := []int32{0}
	for _, leg := range rapid.SliceOfN(rapid.Int32Range(0, 50), 1, 5).Draw(t, "legs") {
		metres = append(metres, metres[len(metres)-1]+leg)
	}
	return cabin(t, metres, rapid.IntRange(1, maxSeats).Draw(t, "seats"))
}

func drawParty(t *rapid.T, c *seats.Cabin, maxSize int) seats.Party {
	from := rapid.IntRange(0, c.Legs()-1).Draw(t, "from")
	p := seats.Party{From: from, To: rapid.IntRange(from+1, c.Legs()).Draw(t, "to")}
	for range rapid.IntRange(1, maxSize).Draw(t, "size") {
		p.Wishes = append(p.Wishes, rail.Wish{
			Position: rapid.SampledFrom([]rail.SeatPosition{"", rail.Window, rail.Aisle}).Draw(t, "wish"),
		})
	}
	return p
}

// seating is the party that has each seat on each leg.
type seating [][]bool

func newSeating(c *seats.Cabin) seating {
	s := make(seating, c.Seats)
	for seat := range s {
		s[seat] = make([]bool, c.Legs())
	}
	return s
}

func (s seating) free(seat int, p seats.Party) bool {
	for leg := p.From; leg < p.To; leg++ {
		if s[seat][leg] {
			return false
		}
	}
	return true
}

func (s seating) mark(seat int, p seats.Party, sold bool) {
	for leg := p.From; leg < p.To; leg++ {
		s[seat][leg] = sold
	}
}

// most tries every choice of passengers and seats, and returns the most seat-metres that fit. With all none may be left
// out, and -1 says that they do not fit.
func (s seating) most(c *seats.Cabin, passengers []seats.Party, all bool) int64 {
	if len(passengers) == 0 {
		return 0
	}
	best, p := int64(-1), passengers[0]
	if !all {
		best = s.most(c, passengers[1:], false)
	}
	for seat := range s {
		if !s.free(seat, p) {
			continue
		}
		s.mark(seat, p, true)
		if rest := s.most(c, passengers[1:], all); rest >= 0 {
			best = max(best, rest+int64(c.Metres[p.To]-c.Metres[p.From]))
		}
		s.mark(seat, p, false)
	}
	return best
}

// oneByOne are the passengers of parties.
func oneByOne(parties ...seats.Party) []seats.Party {
	var passengers []seats.Party
	for _, p := range parties {
		for range p.Wishes {
			passengers = append(passengers, seats.Party{From: p.From, To: p.To, Wishes: make([]rail.Wish, 1)})
		}
	}
	return passengers
}

func TestOptimum_IsTheMostOfAllChoices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCabin(t, 3)
		var parties []seats.Party
		for range rapid.IntRange(0, 7).Draw(t, "parties") {
			parties = append(parties, drawParty(t, c, 1))
		}
		require.Equal(t, newSeating(c).most(c, parties, false), seats.Optimum(c, parties))
	})
}

// Most demand is met best by giving each seat in turn what fills it most. Where that is wrong, and by how much, is
// found among many crowded runs rather than among small ones.
func TestOptimum_TakesBackWhatItGave(t *testing.T) {
	const cases, calls, passengers = 2_000, 12, 9
	for n := range uint64(cases) {
		random := rand.New(rand.NewPCG(n, 0))
		metres := make([]int32, calls)
		for call := 1; call < calls; call++ {
			metres[call] = metres[call-1] + 1 + random.Int32N(20)
		}
		c := cabin(t, metres, 2)
		var parties []seats.Party
		for range passengers {
			from := random.IntN(calls - 1)
			parties = append(parties, seats.Party{
				From: from, To: from + 1 + random.IntN(calls-1-from), Wishes: make([]rail.Wish, 1),
			})
		}
		require.Equal(t, newSeating(c).most(c, parties, false), seats.Optimum(c, parties), "case %d", n)
	}
}

func TestReseating_RefusesOnlyWhoCannotBeSeated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCabin(t, 3)
		seller := seats.Reseating(c)
		var seated []seats.Party
		for range rapid.IntRange(0, 10).Draw(t, "parties") {
			p := drawParty(t, c, 2)
			together := append(seated[:len(seated):len(seated)], oneByOne(p)...)
			_, ok := seller.Sell(p)
			require.Equal(t, newSeating(c).most(c, together, true) >= 0, ok)
			if ok {
				seated = together
			}
		}
	})
}

// A seller that names seats gives free ones, to all of a party or to none, and refuses only where there are too few.
func TestSellers_NeverOversell(t *testing.T) {
	sellers := map[string]func(*seats.Cabin) seats.Seller{
		"best fit": seats.BestFit, "first fit": seats.FirstFit, "first fit apart": seats.FirstFitApart,
		"random fit": func(c *seats.Cabin) seats.Seller { return seats.RandomFit(c, rand.New(rand.NewPCG(1, 1))) },
	}
	for name, open := range sellers {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				c := drawCabin(t, 12)
				seller, book, sold := open(c), seats.NewBook(c), newSeating(c)
				for range rapid.IntRange(0, 40).Draw(t, "parties") {
					p := drawParty(t, c, 4)
					free := 0
					for seat := range sold {
						if sold.free(seat, p) {
							free++
						}
					}
					given, ok := seller.Sell(p)
					require.Equal(t, free >= p.Size(), ok)
					if !ok {
						continue
					}
					require.Len(t, given, p.Size())
					for _, seat := range given {
						require.True(t, sold.free(seat, p), "seat %d", seat)
						sold.mark(seat, p, true)
					}
					require.NoError(t, book.Enter(p, given))
				}
			})
		})
	}
}

func TestFirstFit_KeepsAPartyTogether(t *testing.T) {
	// Rows are A and B, coaches have two rows: seats 0 1, 2 3 | 4 5.
	c := cabin(t, []int32{0, 10}, 6)
	one, two := make([]rail.Wish, 1), make([]rail.Wish, 2)
	for _, each := range []struct {
		open func(*seats.Cabin) seats.Seller
		want []int
	}{{seats.FirstFit, []int{2, 3}}, {seats.FirstFitApart, []int{1, 2}}} {
		seller := each.open(c)
		first, ok := seller.Sell(seats.Party{From: 0, To: 1, Wishes: one})
		require.True(t, ok)
		require.Equal(t, []int{0}, first)
		both, ok := seller.Sell(seats.Party{From: 0, To: 1, Wishes: two})
		require.True(t, ok)
		require.Equal(t, each.want, both)
	}
}

func TestBook_RefusesWhatCannotBe(t *testing.T) {
	c := cabin(t, []int32{0, 10, 30}, 2)
	one, three := make([]rail.Wish, 1), make([]rail.Wish, 3)
	book := seats.NewBook(c)
	require.NoError(t, book.Enter(seats.Party{From: 0, To: 1, Wishes: one}, []int{1}))
	require.NoError(t, book.Enter(seats.Party{From: 1, To: 2, Wishes: one}, []int{1}))
	require.EqualValues(t, 30, book.SeatMetres)
	require.ErrorIs(t, book.Enter(seats.Party{From: 0, To: 2, Wishes: one}, []int{1}), seats.ErrSoldTwice)
	require.ErrorIs(t, book.Enter(seats.Party{From: 0, To: 2, Wishes: one}, []int{2}), seats.ErrSoldOver)
	require.ErrorIs(t, book.Enter(seats.Party{From: 0, To: 2, Wishes: one}, []int{0, 1}), seats.ErrSoldOver)
	require.ErrorIs(t, seats.NewBook(c).Enter(seats.Party{From: 0, To: 1, Wishes: three}, nil), seats.ErrSoldOver)
}
