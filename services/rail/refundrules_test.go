package rail_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

const day = 24 * time.Hour

// The sample of 12306, at each step's boundary, at its least fee and at its roundings.
func TestFeeLadder_Fee(t *testing.T) {
	rules := rail.DefaultRefundRules()
	require.NoError(t, rules.Check())
	for name, c := range map[string]struct {
		price string
		of    rail.Currency
		left  time.Duration
		want  string
	}{
		"8 days":                        {"553.00", "CNY", 8 * day, "0.00"},
		"a month":                       {"553.00", "CNY", 30 * day, "0.00"},
		"just under 8 days":             {"553.00", "CNY", 8*day - time.Nanosecond, "27.50"},
		"48 hours":                      {"553.00", "CNY", 2 * day, "27.50"},
		"just under 48 hours":           {"553.00", "CNY", 2*day - 1, "55.50"},
		"24 hours":                      {"553.00", "CNY", day, "55.50"},
		"just under 24 hours":           {"553.00", "CNY", day - 1, "110.50"},
		"the last moment":               {"553.00", "CNY", 1, "110.50"},
		"after the departure":           {"553.00", "CNY", -time.Hour, "110.50"},
		"5.25 is up":                    {"105.00", "CNY", 3 * day, "5.50"},
		"5.24 is down":                  {"104.80", "CNY", 3 * day, "5.00"},
		"5.74 is down":                  {"114.80", "CNY", 3 * day, "5.50"},
		"5.75 is up":                    {"115.00", "CNY", 3 * day, "6.00"},
		"the least":                     {"12.00", "CNY", 3 * day, "2.00"},
		"the least, at the last moment": {"5.50", "CNY", 0, "2.00"},
		"never more than the price":     {"1.50", "CNY", 0, "1.50"},
		"a free ticket":                 {"0.00", "CNY", 0, "0.00"},
		"no digits":                     {"14720", "JPY", 3 * day, "736"},
		"no digits, half":               {"14730", "JPY", 3 * day, "737"},
		"no digits, the least":          {"10", "JPY", 3 * day, "2"},
		"three digits":                  {"12.345", "KWD", 0, "2.500"},
		"three digits, the least":       {"3.005", "KWD", 0, "2.000"},
		"three digits, the price":       {"0.005", "KWD", 0, "0.005"},
		"the largest price":             {"92233720368547.75", "CNY", 0, "18446744073709.50"},
	} {
		t.Run(name, func(t *testing.T) {
			price, err := rail.ParseMoney(c.price, c.of)
			require.NoError(t, err)
			fee := rules.Refund.Fee(price, c.left)
			require.Equal(t, c.want, fee.Amount())
			require.Equal(t, c.of, fee.Currency)
			require.Equal(t, fee, rules.Change.Fee(price, c.left))
		})
	}
}

func TestFeeLadder_Step(t *testing.T) {
	ladder := rail.DefaultRefundRules().Refund
	for left, want := range map[time.Duration]int{
		9 * day: 0, 8 * day: 0, 8*day - 1: 1, 2 * day: 1, 2*day - 1: 2, day: 2, day - 1: 3, 0: 3, -day: 3,
	} {
		step, until := ladder.Step(left)
		require.Equal(t, want, step, left)
		require.Equal(t, ladder.Steps[want].Before, until, left)
	}
}

// naiveFee is the fee by fractions and by the sentences of the rules.
func naiveFee(l rail.FeeLadder, price rail.Money, left time.Duration) *big.Rat {
	part := l.Steps[len(l.Steps)-1].PerMille
	for _, step := range slices.Backward(l.Steps) {
		if step.Before <= left {
			part = step.PerMille
		}
	}
	if part == 0 || price.Minor == 0 {
		return new(big.Rat)
	}
	unit := new(big.Rat).SetFrac(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(price.Currency.MinorDigits())), nil),
		big.NewInt(100))
	whole := func(r, up *big.Rat) *big.Rat { // floor(r + up)
		r = new(big.Rat).Add(r, up)
		return new(big.Rat).SetInt(new(big.Int).Div(r.Num(), r.Denom()))
	}
	minor := func(hundredths int64) *big.Rat {
		r := new(big.Rat).Mul(big.NewRat(hundredths, 1), unit)
		if !r.IsInt() {
			r = whole(r, big.NewRat(1, 1))
		}
		return r
	}
	multiple := minor(l.RoundTo)
	fee := new(big.Rat).Mul(big.NewRat(price.Minor, 1), big.NewRat(part, 1_000))
	fee.Mul(whole(fee.Quo(fee, multiple), big.NewRat(1, 2)), multiple)
	if least := minor(l.Least); fee.Cmp(least) < 0 {
		fee = least
	}
	if all := big.NewRat(price.Minor, 1); fee.Cmp(all) > 0 {
		fee = all
	}
	return fee
}

func drawLadder(r *rapid.T) rail.FeeLadder {
	ladder := rail.FeeLadder{
		RoundTo: rapid.Int64Range(1, 1_000).Draw(r, "round"), Least: rapid.Int64Range(0, 1_000).Draw(r, "least"),
	}
	hours := rapid.SliceOfNDistinct(rapid.IntRange(1, 500), 0, 5, rapid.ID).Draw(r, "hours")
	slices.Sort(hours)
	part := int64(0)
	for i := len(hours) - 1; i >= -1; i-- {
		part = rapid.Int64Range(part, 1_000).Draw(r, "part")
		step := rail.FeeStep{PerMille: part}
		if i >= 0 {
			step.Before = time.Duration(hours[i]) * time.Hour
		}
		ladder.Steps = append(ladder.Steps, step)
	}
	return ladder
}

// A fee is that of the naive model, at least 0, at most the price, and never falls as the departure comes nearer.
func TestFeeLadder_AgainstANaiveModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		ladder := drawLadder(r)
		rules := rail.RefundRules{Refund: ladder, Change: ladder}
		require.NoError(r, rules.Check())
		price := rail.Money{
			Minor:    rapid.OneOf(rapid.Int64Range(0, 5_000), rapid.Int64Range(0, 1<<53)).Draw(r, "price"),
			Currency: rapid.SampledFrom([]rail.Currency{"CNY", "JPY", "KWD", "CLF"}).Draw(r, "currency"),
		}
		left := time.Duration(rapid.IntRange(-10, 600*60).Draw(r, "minutes")) * time.Minute
		fee := ladder.Fee(price, left)
		require.Equal(r, naiveFee(ladder, price, left).RatString(), big.NewRat(fee.Minor, 1).RatString())
		require.True(r, 0 <= fee.Minor && fee.Minor <= price.Minor)
		later := left - time.Duration(rapid.IntRange(0, 600*60).Draw(r, "later"))*time.Minute
		require.GreaterOrEqual(r, ladder.Fee(price, later).Minor, fee.Minor)
		if step, until := ladder.Step(left); left > 0 {
			require.LessOrEqual(r, until, left)
			now, _ := ladder.Step(until)
			require.Equal(r, step, now, "it holds until then")
		}
	})
}

var manySteps = make([]rail.FeeStep, 33)

func TestRefundRules_Check(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*rail.RefundRules)
		path  string
	}{
		"no steps":             {func(r *rail.RefundRules) { r.Refund.Steps = nil }, "refund.steps"},
		"too many":             {func(r *rail.RefundRules) { r.Refund.Steps = manySteps }, "refund.steps"},
		"the last is not 0":    {func(r *rail.RefundRules) { r.Change.Steps[3].Before = 1 }, "change.steps.3"},
		"not sorted":           {func(r *rail.RefundRules) { r.Refund.Steps[1].Before = 9 * day }, "refund.steps.1"},
		"one twice":            {func(r *rail.RefundRules) { r.Refund.Steps[1].Before = 8 * day }, "refund.steps.1"},
		"a fee that falls":     {func(r *rail.RefundRules) { r.Refund.Steps[3].PerMille = 99 }, "refund.steps.3"},
		"more than all":        {func(r *rail.RefundRules) { r.Change.Steps[3].PerMille = 1_001 }, "change.steps.3"},
		"less than nothing":    {func(r *rail.RefundRules) { r.Change.Steps[0].PerMille = -1 }, "change.steps.0"},
		"years before":         {func(r *rail.RefundRules) { r.Refund.Steps[0].Before = 999 * day }, "refund.steps.0"},
		"rounded to nothing":   {func(r *rail.RefundRules) { r.Refund.RoundTo = 0 }, "refund.roundTo"},
		"rounded to a fortune": {func(r *rail.RefundRules) { r.Refund.RoundTo = 1e9 }, "refund.roundTo"},
		"the least is too low": {func(r *rail.RefundRules) { r.Change.Least = -1 }, "change.least"},
		"the least is a lot":   {func(r *rail.RefundRules) { r.Change.Least = 1e9 }, "change.least"},
	} {
		t.Run(name, func(t *testing.T) {
			rules := rail.DefaultRefundRules()
			c.spoil(&rules)
			var errs rail.Errors
			require.ErrorAs(t, rules.Check(), &errs)
			require.Len(t, errs, 1)
			require.Equal(t, rail.Invalid, errs[0].Code)
			require.Equal(t, c.path, strings.Join(errs[0].Path, "."))
		})
	}
}

func TestTicketSet(t *testing.T) {
	require.Zero(t, rail.TicketsOf())
	require.Zero(t, rail.TicketsOf(-1, rail.MaxPassengers, 99))
	s := rail.TicketsOf(8, 0, 3, 3)
	require.Equal(t, 3, s.Len())
	require.Equal(t, []int{0, 3, 8}, slices.Collect(s.All()))
	for i := -1; i <= 20; i++ {
		require.Equal(t, i == 0 || i == 3 || i == 8, s.Has(i), i)
	}
	for i := range s.All() {
		require.Equal(t, 0, i)
		break
	}
	require.Zero(t, (^rail.TicketSet(0)).Len()-16, "bits that no ticket can have")
	require.Len(t, slices.Collect((^rail.TicketSet(0)).All()), rail.MaxPassengers)
}

// What is wrong with the order for a new ticket points into the change.
func TestAtChange(t *testing.T) {
	for from, want := range map[string]string{
		"":                                     "input.change",
		"input":                                "input.change",
		"input.runId":                          "input.change.runId",
		"input.departure":                      "input.change.departure",
		"input.passengers.0.seatClass":         "input.change.seatClass",
		"input.passengers.0.wish.letter":       "input.change.wish.letter",
		"input.passengers.0.documentNumber":    "input.change.ticketId",
		"input.passengers":                     "input.change.ticketId",
		"input.passengers.0.name":              "input.change.ticketId",
		"input.passengers.0.documentNumber.at": "input.change.ticketId",
	} {
		path := strings.FieldsFunc(from, func(r rune) bool { return r == '.' })
		refusal := rail.Refuse(rail.Invalid, "no").At(path...)
		for _, err := range []error{refusal, rail.Errors{refusal}} {
			var moved *rail.Error
			require.ErrorAs(t, rail.AtChange(err, "input", "change"), &moved)
			require.Equal(t, want, strings.Join(moved.Path, "."), from)
			require.Equal(t, rail.Invalid, moved.Code)
		}
	}
	require.Equal(t, t.Context().Err(), rail.AtChange(t.Context().Err(), "input"))
}

func TestWish_Meets(t *testing.T) {
	seat := rail.SeatRef{Coach: &rail.Coach{Number: "7"}, Seat: &rail.Seat{Label: "23f", Position: rail.Window}}
	for _, c := range []struct {
		wish rail.Wish
		want bool
	}{
		{rail.Wish{}, true},
		{rail.Wish{Position: rail.Window}, true},
		{rail.Wish{Letter: "F", Coach: "7"}, true},
		{rail.Wish{Letter: "A", Coach: "7"}, false},
		{rail.Wish{Coach: "8"}, false},
		{rail.Wish{Position: rail.Aisle, Coach: "7"}, false},
	} {
		require.Equal(t, c.want, c.wish.Meets(seat), c.wish)
	}
}
