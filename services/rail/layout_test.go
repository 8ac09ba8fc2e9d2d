package rail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

func TestRowSeats_ChineseSecondClass(t *testing.T) {
	seats, err := rail.RowSeats("ABC DF", 22, 23, nil)
	require.NoError(t, err)
	require.Equal(t, []rail.Seat{
		{Label: "22A", Position: rail.Window},
		{Label: "22B", Position: rail.Middle},
		{Label: "22C", Position: rail.Aisle},
		{Label: "22D", Position: rail.Aisle},
		{Label: "22F", Position: rail.Window},
		{Label: "23A", Position: rail.Window},
		{Label: "23B", Position: rail.Middle},
		{Label: "23C", Position: rail.Aisle},
		{Label: "23D", Position: rail.Aisle},
		{Label: "23F", Position: rail.Window},
	}, seats)
	require.Equal(t, "23", seats[6].Row())
	require.Equal(t, "B", seats[6].Letter())
}

func TestRowSeats_Patterns(t *testing.T) {
	const w, m, a = rail.Window, rail.Middle, rail.Aisle
	for pattern, want := range map[string][]rail.SeatPosition{
		"A":        {w},
		"AB":       {w, w},
		"A B":      {w, w}, // Beside both the aisle and the window: who wishes for a window gets one.
		"AC DF":    {w, a, a, w},
		"A CF":     {w, a, w},
		"ABCD":     {w, m, m, w},
		"A BCD E":  {w, a, m, a, w},
		"AB  CD":   {w, a, a, w},
		"甲乙 丙丁":    {w, a, a, w},
		"ABCDEFGH": {w, m, m, m, m, m, m, w},
	} {
		seats, err := rail.RowSeats(pattern, 1, 1, nil)
		require.NoError(t, err, pattern)
		var got []rail.SeatPosition
		for _, seat := range seats {
			got = append(got, seat.Position)
		}
		require.Equal(t, want, got, pattern)
	}
}

func TestRowSeats_Without(t *testing.T) {
	seats, err := rail.RowSeats("AB", 1, 2, []string{"1A", "2B", "9Z"})
	require.NoError(t, err)
	require.Equal(t, []rail.Seat{{Label: "1B", Position: rail.Window}, {Label: "2A", Position: rail.Window}}, seats)
}

func TestRowSeats_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		letters     string
		first, last int
	}{
		"row 0": {"AB", 0, 3}, "backwards": {"AB", 3, 2}, "too many rows": {"AB", 1, 1_000}, "no letters": {"", 1, 1},
		"only an aisle":     {" ", 1, 1},
		"aisle at the wall": {" AB", 1, 1}, "a digit": {"A1", 1, 1}, "a sign": {"A-B", 1, 1},
		"too wide": {"ABCDEFGHIJKLMNOPQ", 1, 1}, "control": {"A\tB", 1, 1},
		"not UTF-8": {"A\xff", 1, 1},
	} {
		_, err := rail.RowSeats(c.letters, c.first, c.last, nil)
		require.Equal(t, rail.Invalid, rail.CodeOf(err), name)
	}
}

// A few words that say more seats than a coach has are not laid out.
func TestLayouts_TooManySeats(t *testing.T) {
	const want = "a coach has at most 1024 seats: its layout has more"
	_, err := rail.RowSeats("ABCDEFGHIJKLMNOP", 1, 999, nil)
	require.ErrorContains(t, err, want)
	seats, err := rail.RowSeats("ABCDEFGHIJKLMNOP", 1, 64, nil)
	require.NoError(t, err)
	require.Len(t, seats, rail.MaxSeatsPerCoach)
	_, err = rail.BerthSeats([]rail.SeatPosition{rail.LowerBerth, rail.UpperBerth}, 1, 999)
	require.ErrorContains(t, err, want)
	_, err = rail.RowSeats("AB", 1, 2_147_483_647, nil)
	require.ErrorContains(t, err, "rows run from 1 to at most 999")
	_, err = rail.RowSeats("AB", 1, 3, make([]string, 1_025))
	require.ErrorContains(t, err, "a coach leaves out at most 1024 labels, not 1025")
}

func TestRowSeats_OfAChineseKeyboard(t *testing.T) {
	got, err := rail.RowSeats("ＡＢＣ\u3000ＤＦ", 1, 2, []string{"１Ｂ"})
	require.NoError(t, err)
	want, err := rail.RowSeats("ABC DF", 1, 2, []string{"1B"})
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestBerthSeats(t *testing.T) {
	seats, err := rail.BerthSeats([]rail.SeatPosition{rail.LowerBerth, rail.MiddleBerth, rail.UpperBerth}, 5, 6)
	require.NoError(t, err)
	require.Equal(t, []rail.Seat{
		{Label: "5L", Position: rail.LowerBerth},
		{Label: "5M", Position: rail.MiddleBerth},
		{Label: "5U", Position: rail.UpperBerth},
		{Label: "6L", Position: rail.LowerBerth},
		{Label: "6M", Position: rail.MiddleBerth},
		{Label: "6U", Position: rail.UpperBerth},
	}, seats)
	for name, c := range map[string]struct {
		tiers       []rail.SeatPosition
		first, last int
	}{
		"no tiers": {nil, 1, 1}, "a seat": {[]rail.SeatPosition{rail.Window}, 1, 1},
		"bay 0":         {[]rail.SeatPosition{rail.LowerBerth}, 0, 1},
		"backwards":     {[]rail.SeatPosition{rail.LowerBerth}, 2, 1},
		"too many bays": {[]rail.SeatPosition{rail.LowerBerth}, 1, 1_000},
		"four tiers": {
			[]rail.SeatPosition{rail.LowerBerth, rail.MiddleBerth, rail.UpperBerth, rail.LowerBerth},
			1, 1,
		},
	} {
		_, err := rail.BerthSeats(c.tiers, c.first, c.last)
		require.Equal(t, rail.Invalid, rail.CodeOf(err), name)
	}
}

func TestSeat_RowAndLetter(t *testing.T) {
	for label, want := range map[string][2]string{
		"23B": {"23", "B"}, "001": {"001", ""}, "A1": {"", "A1"}, "5L": {"5", "L"}, "": {"", ""}, "12甲": {"12", "甲"},
		"１A": {"", "１A"},
	} {
		seat := rail.Seat{Label: label}
		require.Equal(t, want, [2]string{seat.Row(), seat.Letter()}, label)
	}
}
