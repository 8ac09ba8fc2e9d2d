package rail_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

func seats(n int) []rail.Seat {
	all := make([]rail.Seat, n)
	for i := range all {
		all[i].Label = fmt.Sprint(i + 1)
	}
	return all
}

// A seat's number in the seat map is its place among the seats of its class, coach after coach.
func TestFormation_NumbersSeatsByClass(t *testing.T) {
	f := rail.NewFormation([]rail.Coach{
		{Number: "1", SeatClass: rail.Second, Seats: seats(2)},
		{Number: "2", SeatClass: rail.Business, Seats: seats(1)},
		{Number: "3", SeatClass: rail.Second, Seats: seats(3)},
	})
	require.Equal(t, []rail.SeatClass{rail.Business, rail.Second}, f.Classes, "in the usual order, not the train's")
	var got []string
	for _, ref := range f.Seats(rail.Second) {
		got = append(got, ref.Coach.Number+"/"+ref.Seat.Label)
	}
	require.Equal(t, []string{"1/1", "1/2", "3/1", "3/2", "3/3"}, got)
	require.Len(t, f.Seats(rail.Business), 1)
	require.Empty(t, f.Seats(rail.First))
	require.Equal(t, 1, f.ClassIndex(rail.Second))
	require.Equal(t, -1, f.ClassIndex(rail.First))
}

func TestFormation_IDIsOfItsContent(t *testing.T) {
	make2 := func(class rail.SeatClass, label string) *rail.Formation {
		return rail.NewFormation([]rail.Coach{{
			Number: "1", SeatClass: class,
			Seats: []rail.Seat{{Label: label, Position: rail.Aisle}},
		}})
	}
	require.Equal(t, make2(rail.First, "1A").ID, make2(rail.First, "1A").ID)
	require.NotEqual(t, make2(rail.First, "1A").ID, make2(rail.Second, "1A").ID)
	require.NotEqual(t, make2(rail.First, "1A").ID, make2(rail.First, "1B").ID)
}

func TestFormation_DocumentRoundTrip(t *testing.T) {
	f := t12().Formation
	document, err := f.Document()
	require.NoError(t, err)
	got, err := rail.DecodeFormation(f.ID, document)
	require.NoError(t, err)
	require.Equal(t, f, got)

	for name, changed := range map[string]string{
		"a seat more": strings.Replace(string(document), `{"label":"1A"`, `{"label":"9Z"},{"label":"1A"`, 1),
		"relabelled":  strings.Replace(string(document), `"1A"`, `"1X"`, 1),
		"another":     `[]`, "nothing": ``, "no list": `{}`, "null": `null`,
		"cut off": string(document[:len(document)-1]),
	} {
		_, err := rail.DecodeFormation(f.ID, []byte(changed))
		require.Error(t, err, name)
	}
}

func TestFormationValidate(t *testing.T) {
	good := rail.Coach{Number: "1", SeatClass: rail.First, Seats: seats(2)}
	many := func(coaches, seatsEach int) []rail.Coach {
		var all []rail.Coach
		for n := range coaches {
			all = append(all, rail.Coach{Number: fmt.Sprint(n), SeatClass: rail.First, Seats: seats(seatsEach)})
		}
		return all
	}
	for name, c := range map[string]struct {
		coaches []rail.Coach
		want    []string
	}{
		"good":           {[]rail.Coach{good}, nil},
		"the largest":    {many(8, rail.MaxSeatsPerCoach), nil},
		"the longest":    {many(rail.MaxCoaches, 1), nil},
		"no coach":       {nil, []string{"INVALID /coaches"}},
		"too long":       {many(rail.MaxCoaches+1, 1), []string{"INVALID /coaches"}},
		"too many seats": {many(9, rail.MaxSeatsPerCoach), []string{"INVALID /coaches"}},
		"coach twice":    {[]rail.Coach{good, good}, []string{"INVALID /coaches/1/number"}},
		"coach unnumbered": {
			[]rail.Coach{{SeatClass: rail.First, Seats: seats(1)}},
			[]string{"INVALID /coaches/0/number"},
		},
		"number too long": {
			[]rail.Coach{{Number: "123456789", SeatClass: rail.First, Seats: seats(1)}},
			[]string{"INVALID /coaches/0/number"},
		},
		"unknown class": {
			[]rail.Coach{{Number: "1", SeatClass: "THIRD", Seats: seats(1)}},
			[]string{"INVALID /coaches/0/seatClass"},
		},
		"no seats": {
			[]rail.Coach{good, {Number: "2", SeatClass: rail.First}},
			[]string{"INVALID /coaches/1/layout"},
		},
		"coach too large": {[]rail.Coach{{
			Number: "1", SeatClass: rail.First,
			Seats: seats(rail.MaxSeatsPerCoach + 1),
		}}, []string{"INVALID /coaches/0/layout"}},
		"no label": {
			[]rail.Coach{{Number: "1", SeatClass: rail.First, Seats: []rail.Seat{{}}}},
			[]string{"INVALID /coaches/0/layout"},
		},
		"label of control": {
			[]rail.Coach{{Number: "1", SeatClass: rail.First, Seats: []rail.Seat{{Label: "1\x00"}}}},
			[]string{"INVALID /coaches/0/layout"},
		},
		"unknown position": {[]rail.Coach{{
			Number: "1", SeatClass: rail.First,
			Seats: []rail.Seat{{Label: "1", Position: "ROOF"}},
		}}, []string{"INVALID /coaches/0/layout"}},
		"seat twice": {[]rail.Coach{{
			Number: "1", SeatClass: rail.First,
			Seats: []rail.Seat{{Label: "1"}, {Label: "1"}},
		}}, []string{"INVALID /coaches/0/layout"}},
	} {
		require.Equal(t, c.want, paths(rail.NewFormation(c.coaches).Validate("coaches")), name)
	}
}

func TestValid_ClassesAndPositions(t *testing.T) {
	require.Len(t, rail.SeatClasses, 12)
	for _, class := range rail.SeatClasses {
		require.True(t, class.Valid())
	}
	require.False(t, rail.SeatClass("").Valid())
	require.False(t, rail.SeatClass("second").Valid())
	require.True(t, rail.UpperBerth.Valid())
	require.False(t, rail.SeatPosition("").Valid())
}
