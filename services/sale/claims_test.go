package sale

import (
	"fmt"
	"hash/maphash"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// TestClaims_AreAList adds, pays and removes orders of a few buyers with a few documents, and holds what is found
// against a list of all of them.
func TestClaims_AreAList(t *testing.T) {
	run := rail.NewRunID("T12", rail.NewDate(2026, 12, 16))
	rapid.Check(t, func(t *rapid.T) {
		s := newClaims(run, maphash.MakeSeed())
		var all []claim
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				id := rail.NewOrderID(run, int64(rapid.IntRange(1, 30).Draw(t, "version")),
					rapid.StringMatching("[A-Z0-9]{1,26}").Draw(t, "unique"))
				order, err := s.tail(id)
				require.NoError(t, err)
				require.Equal(t, id, s.id(order))
				one := claim{
					order: order, buyer: rapid.Uint64Range(1, 3).Draw(t, "buyer"), held: rapid.Bool().Draw(t, "held"),
					from: rapid.IntRange(0, 254).Draw(t, "from"),
				}
				one.to = rapid.IntRange(one.from+1, 255).Draw(t, "to")
				one.documents = rapid.SliceOfNDistinct(rapid.Uint64Range(1, 12), 1, rail.MaxPassengers,
					rapid.ID[uint64]).Draw(t, "documents")
				s.add(&one)
				if !slices.ContainsFunc(all, func(other claim) bool { return other.order == order }) {
					all = append(all, one)
				}
			},
			"pay": func(t *rapid.T) {
				if len(all) > 0 {
					i := rapid.IntRange(0, len(all)-1).Draw(t, "order")
					all[i].held = false
					s.paid(all[i].order)
				}
			},
			"remove": func(t *rapid.T) {
				if len(all) > 0 {
					i := rapid.IntRange(0, len(all)-1).Draw(t, "order")
					s.remove(all[i].order)
					all = slices.Delete(all, i, i+1)
				}
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(all), s.len())
				for document := range uint64(13) {
					requireOrders(t, all, func(one claim) bool { return slices.Contains(one.documents, document) },
						slices.Collect(s.ofDocument(document)))
				}
				for buyer := range uint64(4) {
					requireOrders(t, all, func(one claim) bool { return one.held && one.buyer == buyer },
						slices.Collect(s.heldBy(buyer)))
				}
				require.LessOrEqual(t, len(s.slots)+len(s.tickets), 2+200*(1+rail.MaxPassengers),
					"slots are used again")
			},
		})
	})
}

func requireOrders(t *rapid.T, all []claim, which func(claim) bool, got []*orderSlot) {
	want := []string{}
	for _, one := range all {
		if which(one) {
			want = append(want, fmt.Sprint(string(one.order[:]), one.from, one.to))
		}
	}
	found := []string{}
	for _, one := range got {
		found = append(found, fmt.Sprint(string(one.order[:]), one.from, one.to))
	}
	require.ElementsMatch(t, want, found)
}

func TestClaims_TakeOrdersOfTheirRunOnly(t *testing.T) {
	run := rail.NewRunID("T12", rail.NewDate(2026, 12, 16))
	s := newClaims(run, maphash.MakeSeed())
	for _, id := range []string{
		"", string(run), string(run) + "/", rail.NewOrderID(rail.NewRunID("T1", rail.NewDate(2026, 12, 16)), 1, "A"),
		rail.NewOrderID(rail.NewRunID("T12", rail.NewDate(2026, 12, 17)), 1, "A"),
		rail.NewOrderID(run, 1, "ABCDEFGHJKMNPQRSTUVWXYZ0123"),
	} {
		require.Error(t, s.learn([]ledger.Claim{{OrderID: id}}), id)
	}
	require.Zero(t, s.len())
}
