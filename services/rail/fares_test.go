package rail_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

func TestPrice_PairBeforePerKm(t *testing.T) {
	train := t12()
	price, ok := train.Price(rail.Second, 0, 3)
	require.True(t, ok)
	require.Equal(t, "553.00 CNY", price.String(), "by the pair, where 1,318 km would be 606.28")
	price, ok = train.Price(rail.Business, 0, 3)
	require.True(t, ok)
	require.Equal(t, "1845.20 CNY", price.String(), "the pair is of another class")
	price, ok = train.Price(rail.Second, 1, 2)
	require.True(t, ok)
	require.Equal(t, "401.58 CNY", price.String(), "873 km")
}

func TestPrice_OfNothingTheTrainHas(t *testing.T) {
	train := t12()
	for _, pair := range [][2]int{{-1, 1}, {0, 0}, {2, 1}, {0, 4}, {3, 4}, {math.MaxInt, 0}} {
		_, ok := train.Price(rail.Second, pair[0], pair[1])
		require.False(t, ok, "%v", pair)
	}
	_, ok := train.Price(rail.HardSleeper, 0, 1)
	require.False(t, ok)
	far := with(train, func(t *rail.Train) { t.Calls[1].Metres = rail.NoDistance })
	_, ok = far.Price(rail.Second, 0, 1)
	require.False(t, ok, "no distance, no price per km")
	_, ok = far.Price(rail.Second, 0, 2)
	require.True(t, ok)
}

// A pair is given by stations: where a train calls at one twice, it is the price of each pair of those calls.
func TestPrice_PairOfAStationCalledAtTwice(t *testing.T) {
	train := with(t12(), func(t *rail.Train) {
		t.Calls = append(t.Calls, rail.Call{Station: "TXP", ArrivalSeconds: hours(40, 0), Metres: rail.NoDistance})
		t.Calls[3].DepartureSeconds = hours(33, 0)
		t.Fares.Pairs = []rail.PairFare{
			{SeatClass: rail.Second, From: "VNP", To: "TXP", Minor: 100},
			{SeatClass: rail.Second, From: "TXP", To: "AOH", Minor: 200},
		}
	})
	for _, c := range []struct {
		i, j  int
		minor int64
		ok    bool
	}{{0, 1, 100, true}, {0, 4, 100, true}, {1, 3, 200, true}, {1, 4, 0, false}} {
		price, ok := train.Price(rail.Second, c.i, c.j)
		require.Equal(t, c.ok, ok, "%v", c)
		require.Equal(t, c.minor, price.Minor, "%v", c)
	}
}

// Of a class, the fare between two calls goes first, then the one between two stations, then the flat one.
func TestPrice_TheClosestFare(t *testing.T) {
	train := with(t12(), func(t *rail.Train) {
		t.Fares.PerKm = t.Fares.PerKm[1:] // Business
		t.Fares.Flat = []rail.FlatFare{{SeatClass: rail.Second, Minor: 900}}
		t.Fares.Pairs = append(t.Fares.Pairs, rail.PairFare{SeatClass: rail.Second, From: "TXP", To: "NJH", Minor: 800})
		t.Fares.ByCalls = []rail.CallFares{{SeatClass: rail.Second, Minor: []int64{700, -1, 600, -1, -1, 500}}}
	})
	require.Empty(t, train.Validate())
	for pair, minor := range map[[2]int]int64{
		{0, 1}: 700, {0, 2}: 900, {0, 3}: 600, {1, 2}: 800, {1, 3}: 900, {2, 3}: 500,
	} {
		price, ok := train.Price(rail.Second, pair[0], pair[1])
		require.True(t, ok)
		require.Equal(t, minor, price.Minor, "%v", pair)
	}
	price, _ := train.Price(rail.Business, 0, 3)
	require.Equal(t, "1845.20 CNY", price.String(), "another class")

	document, err := train.Document()
	require.NoError(t, err)
	read, err := rail.DecodeTrain(train.ID, document, train.Formation)
	require.NoError(t, err)
	require.Equal(t, train.Fares, read.Fares)
}

// A price that comes to 0.00 is refused where it is not said to be free.
func TestTrainValidate_FreeByMistake(t *testing.T) {
	for name, c := range map[string]struct {
		rate rail.KmRate
		step int64
		want string
	}{
		"enough":                   {rail.KmRate{MicrosPerKm: 1_000_000}, 0, ""},
		"rounds to nothing":        {rail.KmRate{MicrosPerKm: 1_000}, 0, "from VNP to TXP comes to 0.00"},
		"by its step":              {rail.KmRate{MicrosPerKm: 300_000}, 100, "from VNP to TXP comes to 0.00"},
		"on the shortest way only": {rail.KmRate{MicrosPerKm: 100_000}, 50, "from VNP to TXP comes to 0.00"},
		"its minimum, too":         {rail.KmRate{MicrosPerKm: 300_000, MinimumMinor: 49}, 100, "comes to 0.00"},
		"a minimum":                {rail.KmRate{MicrosPerKm: 300_000, MinimumMinor: 50}, 100, ""},
		"free":                     {rail.KmRate{MicrosPerKm: 1_000, Free: true}, 0, ""},
	} {
		c.rate.SeatClass = rail.Business
		train := with(t12(), func(t *rail.Train) {
			t.Fares.PerKm = []rail.KmRate{c.rate, {SeatClass: rail.Second, MicrosPerKm: 46_000_000}}
			t.Fares.RoundToMinor = c.step
		})
		errs := train.Validate("input")
		if c.want == "" {
			require.Empty(t, errs, name)
			continue
		}
		require.Equal(t, []string{"INVALID /input/fares"}, paths(errs), name)
		require.Contains(t, errs[0].Message, c.want, name)
	}
	wrong := with(t12(), func(t *rail.Train) {
		t.Fares.ByCalls = []rail.CallFares{{SeatClass: rail.Second, Minor: []int64{1, 2}}}
	})
	require.Contains(t, wrong.Validate()[0].Message, "4 calls have 6 pairs, and SECOND has 2 fares between them")
}

// Half a minor unit goes up, and so does half a step; a fen less does not.
func TestPrice_RoundsHalfUp(t *testing.T) {
	for _, c := range []struct {
		metres      int32
		micros      int64
		step, minor int64
	}{
		{500, 1_000_000, 0, 1},
		{499, 1_000_000, 0, 0},
		{1_500, 1_000_000, 1, 2},
		{1_499, 1_000_000, 1, 1},
		{25_000, 1_000_000, 50, 50},
		{24_000, 1_000_000, 50, 0},
		{2_000, 1_000_000, 5, 0},
		{3_000, 1_000_000, 5, 5},
		{100_000_000, 1e12, 0, 1e11},
	} {
		train := with(t12(), func(t *rail.Train) {
			t.Calls = []rail.Call{{Station: "A"}, {Station: "B", ArrivalSeconds: 60, Metres: c.metres}}
			t.Fares = &rail.Fares{
				Currency: "CNY",
				PerKm:    []rail.KmRate{{SeatClass: rail.Second, MicrosPerKm: c.micros}}, RoundToMinor: c.step,
			}
		})
		price, ok := train.Price(rail.Second, 0, 1)
		require.True(t, ok)
		require.Equal(t, c.minor, price.Minor, "%v", c)
	}
}

// A minimum is rounded as the price is, since a machine that takes no small coins takes none for a minimum either.
func TestPrice_RoundsTheMinimum(t *testing.T) {
	for _, c := range []struct{ minimum, step, minor int64 }{
		{302, 10, 300}, {305, 10, 310}, {302, 0, 302}, {4, 10, 0}, {5, 10, 10}, {300, 100, 300},
	} {
		train := with(t12(), func(t *rail.Train) {
			t.Fares = &rail.Fares{
				Currency: "CNY", RoundToMinor: c.step,
				PerKm: []rail.KmRate{{SeatClass: rail.Second, MicrosPerKm: 1, MinimumMinor: c.minimum}},
			}
		})
		price, _ := train.Price(rail.Second, 0, 1)
		require.Equal(t, c.minor, price.Minor, "%v", c)
	}
}

// Prices per kilometre are exact up to their one rounding, also far beyond 64 bits.
func TestPrice_PerKmAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metres := rapid.Int32Range(0, 100_000_000).Draw(t, "metres")
		rate := rail.KmRate{
			SeatClass:    rail.Second,
			MicrosPerKm:  rapid.Int64Range(0, 1e12).Draw(t, "micros per km"),
			MinimumMinor: rapid.SampledFrom([]int64{0, 0, 1, 500, 1e15}).Draw(t, "minimum"),
		}
		step := rapid.SampledFrom([]int64{0, 1, 2, 5, 10, 50, 100, 1_000_000}).Draw(t, "step")
		train := with(t12(), func(t *rail.Train) {
			t.Calls = []rail.Call{{Station: "A"}, {Station: "B", ArrivalSeconds: 60, Metres: metres}}
			t.Fares = &rail.Fares{Currency: "CNY", PerKm: []rail.KmRate{rate}, RoundToMinor: step}
		})

		roundHalfUp := func(x, unit *big.Int) *big.Int {
			twice := new(big.Int).Mul(x, big.NewInt(2))
			twice.Add(twice, unit)
			return twice.Div(twice, new(big.Int).Mul(unit, big.NewInt(2)))
		}
		want := roundHalfUp(new(big.Int).Mul(big.NewInt(int64(metres)), big.NewInt(rate.MicrosPerKm)), big.NewInt(1e9))
		if want.Cmp(big.NewInt(rate.MinimumMinor)) < 0 {
			want.SetInt64(rate.MinimumMinor)
		}
		if step > 1 {
			want = roundHalfUp(want, big.NewInt(step))
			want.Mul(want, big.NewInt(step))
		}

		price, ok := train.Price(rail.Second, 0, 1)
		require.True(t, ok)
		require.True(t, want.IsInt64())
		require.Equal(t, want.Int64(), price.Minor)
	})
}

func TestFaresValidate(t *testing.T) {
	good := func() *rail.Fares { return t12().Fares }
	for name, c := range map[string]struct {
		change func(*rail.Fares)
		want   []string
	}{
		"good":         {func(*rail.Fares) {}, nil},
		"a free train": {func(f *rail.Fares) { f.PerKm = []rail.KmRate{{SeatClass: rail.Second, Free: true}} }, nil},
		"free by mistake": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: rail.Second}}
		}, []string{"INVALID /input/fares/perKm/0/amount"}},
		"a minimum alone": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: rail.Second, MinimumMinor: 1}}
		}, nil},
		"a flat fare": {func(f *rail.Fares) {
			f.PerKm, f.Flat = nil, []rail.FlatFare{
				{SeatClass: rail.Second, Minor: 250},
				{SeatClass: rail.Business, Minor: 0, Free: true},
			}
		}, nil},
		"flat by mistake": {func(f *rail.Fares) {
			f.PerKm, f.Flat = nil, []rail.FlatFare{
				{SeatClass: rail.Second, Minor: 0},
				{SeatClass: rail.Business, Minor: -1, Free: true},
			}
		}, []string{"INVALID /input/fares/flat/0/amount", "INVALID /input/fares/flat/1/amount"}},
		"flat and per km": {func(f *rail.Fares) {
			f.Flat = []rail.FlatFare{{SeatClass: rail.Second, Minor: 250}}
		}, []string{"INVALID /input/fares/flat/0/seatClass"}},
		"flat twice": {func(f *rail.Fares) {
			f.Flat = []rail.FlatFare{
				{SeatClass: rail.First, Minor: 250},
				{SeatClass: rail.First, Minor: 250},
				{SeatClass: "THIRD", Minor: 1},
			}
		}, []string{"INVALID /input/fares/flat/1/seatClass", "INVALID /input/fares/flat/2/seatClass"}},
		"too many flat": {func(f *rail.Fares) {
			f.Flat = make([]rail.FlatFare, 100)
		}, []string{"INVALID /input/fares/flat"}},
		"a free pair": {func(f *rail.Fares) {
			f.Pairs = []rail.PairFare{{SeatClass: rail.Second, From: "VNP", To: "AOH", Free: true}}
		}, nil},
		"a pair free by mistake": {func(f *rail.Fares) {
			f.Pairs = []rail.PairFare{{SeatClass: rail.Second, From: "VNP", To: "AOH"}}
		}, []string{"INVALID /input/fares/pairs/0/amount"}},
		"between calls": {func(f *rail.Fares) {
			f.ByCalls = []rail.CallFares{{SeatClass: rail.Second, Minor: []int64{1, rail.NoFare}}}
		}, nil},
		"between calls, wrong": {func(f *rail.Fares) {
			f.ByCalls = []rail.CallFares{
				{SeatClass: rail.Second, Minor: []int64{0, 1, -2}},
				{SeatClass: rail.Second, Minor: []int64{0}, Free: true},
			}
		}, []string{"INVALID /input/fares", "INVALID /input/fares", "INVALID /input/fares"}},
		"no currency":    {func(f *rail.Fares) { f.Currency = "" }, []string{"INVALID /input/fares/currencyCode"}},
		"small currency": {func(f *rail.Fares) { f.Currency = "cny" }, []string{"INVALID /input/fares/currencyCode"}},
		"negative step":  {func(f *rail.Fares) { f.RoundToMinor = -1 }, []string{"INVALID /input/fares/roundTo"}},
		"large step": {func(f *rail.Fares) {
			f.RoundToMinor = 1_000_001
		}, []string{"INVALID /input/fares/roundTo"}},
		"unknown class": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: "THIRD", Free: true}}
		}, []string{"INVALID /input/fares/perKm/0/seatClass"}},
		"class twice": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: rail.First, MicrosPerKm: 1}, {SeatClass: rail.First, MicrosPerKm: 1}}
		}, []string{"INVALID /input/fares/perKm/1/seatClass"}},
		"negative rate": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: rail.First, MicrosPerKm: -1}}
		}, []string{"INVALID /input/fares/perKm/0/amount"}},
		"enormous rate": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: rail.First, MicrosPerKm: 1e12 + 1}}
		}, []string{"INVALID /input/fares/perKm/0/amount"}},
		"negative least": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: rail.First, MicrosPerKm: 1, MinimumMinor: -1}}
		}, []string{"INVALID /input/fares/perKm/0/minimum"}},
		"enormous least": {func(f *rail.Fares) {
			f.PerKm = []rail.KmRate{{SeatClass: rail.First, MicrosPerKm: 1, MinimumMinor: math.MaxInt64}}
		}, []string{"INVALID /input/fares/perKm/0/minimum"}},
		"negative fare": {func(f *rail.Fares) {
			f.Pairs = []rail.PairFare{{SeatClass: rail.First, Minor: -1}}
		}, []string{"INVALID /input/fares/pairs/0/amount"}},
		"enormous fare": {func(f *rail.Fares) {
			f.Pairs = []rail.PairFare{{SeatClass: rail.First, Minor: math.MaxInt64}}
		}, []string{"INVALID /input/fares/pairs/0/amount"}},
		"pair of nothing": {func(f *rail.Fares) {
			f.Pairs = []rail.PairFare{{Free: true}}
		}, []string{"INVALID /input/fares/pairs/0/seatClass"}},
		"pair twice": {func(f *rail.Fares) {
			f.Pairs = []rail.PairFare{
				{SeatClass: rail.First, From: "A", To: "B", Minor: 1},
				{SeatClass: rail.First, From: "B", To: "A", Minor: 1},
				{SeatClass: rail.First, From: "A", To: "B", Minor: 1},
			}
		}, []string{"INVALID /input/fares/pairs/2"}},
		"all at once": {func(f *rail.Fares) {
			f.Currency, f.RoundToMinor, f.PerKm = "", -1,
				[]rail.KmRate{{SeatClass: "", MicrosPerKm: -1, MinimumMinor: -1}}
		}, []string{
			"INVALID /input/fares/currencyCode", "INVALID /input/fares/roundTo",
			"INVALID /input/fares/perKm/0/seatClass",
			"INVALID /input/fares/perKm/0/amount", "INVALID /input/fares/perKm/0/minimum",
		}},
	} {
		f := good()
		c.change(f)
		require.Equal(t, c.want, paths(f.Validate("input", "fares")), name)
	}
}

// What is too long is refused by its length alone.
func TestFares_TooMany(t *testing.T) {
	require.Equal(t, []string{"INVALID /perKm"},
		paths((&rail.Fares{Currency: "CNY", PerKm: make([]rail.KmRate, 100_000)}).Validate()))
	require.Equal(t, []string{"INVALID /pairs"},
		paths((&rail.Fares{Currency: "CNY", Pairs: make([]rail.PairFare, 400_000)}).Validate()))
}

// A train that goes to and fro between two stations has one fare for all of their pairs. To make one of each of 100,000
// fares for each pair of calls would take minutes.
func TestTrain_PairsOfAShuttle(t *testing.T) {
	base := t12()
	calls := make([]rail.Call, rail.MaxCalls)
	for i := range calls {
		calls[i] = rail.Call{Station: []rail.StationCode{"A", "B"}[i%2], Metres: rail.NoDistance}
	}
	pairs := make([]rail.PairFare, 100_000)
	for i := range pairs {
		pairs[i] = rail.PairFare{SeatClass: rail.Second, From: "A", To: "B", Minor: 700}
	}
	train := rail.NewTrain("1", "", "Asia/Shanghai", calls, base.Formation, &rail.Fares{Currency: "CNY", Pairs: pairs})
	for _, pair := range [][2]int{{0, 1}, {0, 255}, {100, 201}} {
		price, ok := train.Price(rail.Second, pair[0], pair[1])
		require.True(t, ok)
		require.EqualValues(t, 700, price.Minor)
	}
	_, ok := train.Price(rail.Second, 1, 2)
	require.False(t, ok)
	require.Len(t, train.Fares.Validate(), rail.MaxErrors, "each but the first is there twice")
}
