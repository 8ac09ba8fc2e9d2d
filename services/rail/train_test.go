package rail_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

func TestTrainValidate(t *testing.T) {
	day := int32(24 * 3600)
	for name, c := range map[string]struct {
		change func(*rail.Train)
		want   []string
	}{
		"good":                 {func(*rail.Train) {}, nil},
		"two numbers":          {func(t *rail.Train) { t.Number = "D305/D308" }, nil},
		"any printable number": {func(t *rail.Train) { t.Number = "ICE 599 {Köln}" }, nil},
		"no number":            {func(t *rail.Train) { t.Number = "" }, []string{"INVALID /number"}},
		"a space in front":     {func(t *rail.Train) { t.Number = " T12" }, []string{"INVALID /number"}},
		"endless number": {func(t *rail.Train) {
			t.Number = strings.Repeat("T", 129)
		}, []string{"INVALID /number"}},
		"no kind":      {func(t *rail.Train) { t.Kind = "" }, nil},
		"endless kind": {func(t *rail.Train) { t.Kind = strings.Repeat("T", 65) }, []string{"INVALID /kind"}},
		"no zone":      {func(t *rail.Train) { t.TimeZone = "" }, []string{"INVALID /timeZone"}},
		"one call":     {func(t *rail.Train) { t.Calls = t.Calls[:1] }, []string{"INVALID /calls"}},
		"no call":      {func(t *rail.Train) { t.Calls = nil }, []string{"INVALID /calls"}},
		"too many calls": {func(t *rail.Train) {
			t.Calls = make([]rail.Call, rail.MaxCalls+1)
		}, []string{"INVALID /calls"}},
		"no station": {func(t *rail.Train) {
			t.Calls[1].Station = ""
		}, []string{"INVALID /calls/1/station"}},
		"before the day": {func(t *rail.Train) {
			t.Calls[0].DepartureSeconds = -1
		}, []string{"INVALID /calls/0"}},
		"a fortnight later": {func(t *rail.Train) { t.Calls[3].ArrivalSeconds = 14 * day }, nil},
		"more than a fortnight": {func(t *rail.Train) {
			t.Calls[3].ArrivalSeconds = 14*day + 1
		}, []string{"INVALID /calls/3"}},
		"leaves before arriving": {func(t *rail.Train) {
			t.Calls[1].DepartureSeconds = t.Calls[1].ArrivalSeconds - 1
		}, []string{"INVALID /calls/1/departure"}},
		"arrives before leaving": {func(t *rail.Train) {
			t.Calls[1].ArrivalSeconds = t.Calls[0].DepartureSeconds - 1
		}, []string{"INVALID /calls/1/arrival"}},
		"no time between": {func(t *rail.Train) {
			t.Calls[1].ArrivalSeconds = t.Calls[0].DepartureSeconds
		}, nil},
		"arrival at the origin": {func(t *rail.Train) { t.Calls[0].ArrivalSeconds = 99 * day }, nil},
		"departure at the end":  {func(t *rail.Train) { t.Calls[3].DepartureSeconds = -1 }, nil},
		"backwards": {func(t *rail.Train) {
			t.Calls[2].Metres = 136_999
		}, []string{"INVALID /calls/2/distanceKm"}},
		"backwards past a gap": {func(t *rail.Train) {
			t.Calls[2].Metres, t.Calls[3].Metres = rail.NoDistance, 136_999
		}, []string{"INVALID /calls/3/distanceKm"}},
		"negative distance": {func(t *rail.Train) { t.Calls[1].Metres = -2 }, []string{"INVALID /calls/1/distanceKm"}},
		"beyond the moon": {func(t *rail.Train) {
			t.Calls[3].Metres = 100_000_001
		}, []string{"INVALID /calls/3/distanceKm"}},
		"no distances": {func(t *rail.Train) { t.Calls[2].Metres = rail.NoDistance }, []string{"INVALID /fares"}},
		"no fare for a class": {func(t *rail.Train) {
			t.Fares.PerKm = t.Fares.PerKm[:1]
		}, []string{"INVALID /fares"}},
		"nobody needs that fare": {func(t *rail.Train) {
			t.Calls[2].Metres, t.Calls[2].NoBoarding, t.Calls[2].NoAlighting = rail.NoDistance, true, true
		}, nil},
		"bad fares": {func(t *rail.Train) { t.Fares.Currency = "" }, []string{"INVALID /fares/currencyCode"}},
		"all at once": {func(t *rail.Train) {
			t.Number, t.TimeZone, t.Calls[0].Station, t.Fares.RoundToMinor = "", "", "", -1
		}, []string{"INVALID /number", "INVALID /timeZone", "INVALID /calls/0/station", "INVALID /fares/roundTo"}},
	} {
		require.Equal(t, c.want, paths(with(t12(), c.change).Validate()), name)
	}
}

func TestTrainValidate_PathsBelowWhereItStands(t *testing.T) {
	train := with(t12(), func(t *rail.Train) { t.Number, t.Calls[1].Station = "", "" })
	require.Equal(t, []string{"INVALID /input/number", "INVALID /input/calls/1/station"},
		paths(train.Validate("input")))
}

// Every train with a price for each pair that is on sale, and none without.
func TestTrainValidate_PricesEveryPair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		train := with(t12(), func(train *rail.Train) {
			for i := range train.Calls {
				call := &train.Calls[i]
				call.NoBoarding, call.NoAlighting = rapid.Bool().Draw(t, "no boarding"),
					rapid.Bool().Draw(t, "no alighting")
				if rapid.Bool().Draw(t, "no distance") {
					call.Metres = rail.NoDistance
				}
			}
		})
		missing := false
		for i := range train.Calls {
			for j := i + 1; j < len(train.Calls); j++ {
				for _, class := range train.Formation.Classes {
					price, ok := train.Price(class, i, j)
					missing = missing || train.Sellable(i, j) && !ok
					require.True(t, !ok || price.Minor >= 0)
				}
			}
		}
		require.Equal(t, missing, len(train.Validate()) > 0)
	})
}

// A ring, or a train to and fro, needs no fare from a station to itself.
func TestTrainValidate_NoFareFromAStationToItself(t *testing.T) {
	train := with(calling("A B A B"), func(t *rail.Train) {
		t.Fares = &rail.Fares{Currency: "CNY"}
		for _, class := range t.Formation.Classes {
			t.Fares.Pairs = append(t.Fares.Pairs, rail.PairFare{SeatClass: class, From: "A", To: "B", Minor: 200},
				rail.PairFare{SeatClass: class, From: "B", To: "A", Minor: 200})
		}
	})
	require.Empty(t, train.Validate())
	train = with(train, func(t *rail.Train) { t.Fares.Pairs = t.Fares.Pairs[:3] })
	require.Contains(t, train.Validate()[0].Message, "no fare for SECOND from B to A")
}

func calling(stations string) *rail.Train {
	return with(t12(), func(t *rail.Train) {
		t.Calls = nil
		for n, station := range strings.Fields(stations) {
			call := rail.Call{ArrivalSeconds: int32(n * 600), DepartureSeconds: int32(n*600 + 60)}
			call.NoBoarding, call.NoAlighting = strings.HasSuffix(station, "<"), strings.HasSuffix(station, ">")
			call.Station = rail.StationCode(strings.TrimRight(station, "<>"))
			t.Calls = append(t.Calls, call)
		}
	})
}

// Of a station that is called at twice: board at the last call that still reaches the other, alight at the next.
func TestCallPairs_TheLast(t *testing.T) {
	for _, c := range []struct {
		calls    string // "X<" is a call where nobody boards, "X>" one where nobody alights.
		from, to rail.StationCode
		i, j     int
		ok       bool
	}{
		{"A B C", "A", "C", 0, 2, true},
		{"A B C", "C", "A", 0, 0, false},
		{"A B C", "A", "X", 0, 0, false},
		{"A B C", "X", "C", 0, 0, false},
		{"A B C", "B", "B", 0, 0, false},
		{"A B A C", "A", "C", 2, 3, true},
		{"A B A C", "A", "B", 0, 1, true},
		{"A B A C", "B", "A", 1, 2, true},
		{"A B C B", "A", "B", 0, 1, true},
		{"A B A B", "A", "B", 2, 3, true},
		{"A B C A", "C", "B", 0, 0, false},
		{"A B C A", "C", "A", 2, 3, true},
		{"A B C A", "A", "A", 0, 0, false}, // A ring: from and to are still the same station.
		{"A A B", "A", "B", 1, 2, true},
		{"A B A< C", "A", "C", 0, 3, true},
		{"A C> B C", "A", "C", 0, 3, true},
		{"A< B C", "A", "C", 0, 0, false},
		{"A B C>", "A", "C", 0, 0, false},
		{"A B> A B", "A", "B", 2, 3, true},
		{"A C A< C B", "A", "C", 0, 1, true},
	} {
		train := calling(c.calls)
		pairs := train.CallPairs(c.from, c.to)
		require.Equal(t, c.ok, len(pairs) > 0, "%s: %s to %s", c.calls, c.from, c.to)
		if c.ok {
			require.Equal(t, rail.CallPair{From: c.i, To: c.j}, pairs[len(pairs)-1], "%s: %s to %s", c.calls, c.from, c.to)
		}
		for _, pair := range pairs {
			require.True(t, train.Sellable(pair.From, pair.To))
		}
	}
}

func TestCallPairs(t *testing.T) {
	for _, c := range []struct {
		calls, from, to string
		want            []rail.CallPair
	}{
		{"A B", "A", "B", []rail.CallPair{{From: 0, To: 1}}},
		{"A B A B", "A", "B", []rail.CallPair{{From: 0, To: 1}, {From: 2, To: 3}}},
		{"A B A B", "B", "A", []rail.CallPair{{From: 1, To: 2}}},
		{"A B A B A B", "A", "B", []rail.CallPair{{From: 0, To: 1}, {From: 2, To: 3}, {From: 4, To: 5}}},
		{"A A B B", "A", "B", []rail.CallPair{{From: 1, To: 2}}},
		{"A C B A B", "A", "B", []rail.CallPair{{From: 0, To: 2}, {From: 3, To: 4}}},
		{"A B> A B", "A", "B", []rail.CallPair{{From: 2, To: 3}}},
		{"A B A< B", "A", "B", []rail.CallPair{{From: 0, To: 1}}},
		{"A B A", "A", "A", nil},
		{"A B", "B", "A", nil},
	} {
		train := calling(c.calls)
		require.Equal(t, c.want, train.CallPairs(rail.StationCode(c.from), rail.StationCode(c.to)), "%s: %s to %s",
			c.calls, c.from, c.to)
	}
	timeless := calling("A B A B")
	for i := range timeless.Calls {
		timeless.Calls[i].DepartureSeconds = 0
	}
	require.Equal(t, []rail.CallPair{{From: 2, To: 3}}, timeless.CallPairs("A", "B"), "both leave at one time")
}

// Against the rule as it is said: every pair of calls that has no other within itself.
func TestCallPairs_AgainstTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		calls := rapid.SliceOfN(rapid.StringMatching(`[ABC][<>]?`), 2, 9).Draw(t, "calls")
		train := calling(strings.Join(calls, " "))
		require.Empty(t, train.CallPairs("A", "A"))
		var every, want []rail.CallPair
		for i := range calls {
			for j := range calls {
				if train.Calls[i].Station == "A" && train.Calls[j].Station == "B" && train.Sellable(i, j) {
					every = append(every, rail.CallPair{From: i, To: j})
				}
			}
		}
		for _, pair := range every {
			if !slices.ContainsFunc(every, func(other rail.CallPair) bool {
				return other != pair && other.From >= pair.From && other.To <= pair.To
			}) {
				want = append(want, pair)
			}
		}
		require.Equal(t, want, train.CallPairs("A", "B"))
	})
}

func TestSellable(t *testing.T) {
	train := calling("A B< C> D")
	for i := -1; i <= 4; i++ {
		for j := -1; j <= 4; j++ {
			want := map[[2]int]bool{{0, 1}: true, {0, 3}: true, {2, 3}: true}[[2]int{i, j}]
			require.Equal(t, want, train.Sellable(i, j), "%d to %d", i, j)
		}
	}
}

func TestTrain_Aliases(t *testing.T) {
	require.Empty(t, t12().Aliases())
	train := with(t12(), func(t *rail.Train) { t.Number = "D305/D308" })
	require.Equal(t, []string{"D305", "D308"}, train.Aliases())
}

func TestTrain_IDIsOfItsContent(t *testing.T) {
	require.Equal(t, t12().ID, t12().ID)
	seen := map[string]string{t12().ID: "the train itself"}
	for name, change := range map[string]func(*rail.Train){
		"number":    func(t *rail.Train) { t.Number = "T13" },
		"kind":      func(t *rail.Train) { t.Kind = "K" },
		"zone":      func(t *rail.Train) { t.TimeZone = "Asia/Urumqi" },
		"station":   func(t *rail.Train) { t.Calls[1].Station = "TJP" },
		"arrival":   func(t *rail.Train) { t.Calls[1].ArrivalSeconds++ },
		"departure": func(t *rail.Train) { t.Calls[1].DepartureSeconds++ },
		"distance":  func(t *rail.Train) { t.Calls[1].Metres++ },
		"boarding":  func(t *rail.Train) { t.Calls[1].NoBoarding = true },
		"alighting": func(t *rail.Train) { t.Calls[1].NoAlighting = true },
		"currency":  func(t *rail.Train) { t.Fares.Currency = "EUR" },
		"rounding":  func(t *rail.Train) { t.Fares.RoundToMinor = 50 },
		"rates":     func(t *rail.Train) { t.Fares.PerKm = t.Fares.PerKm[:1] },
		"pairs":     func(t *rail.Train) { t.Fares.Pairs = nil },
		"formation": func(t *rail.Train) { t.Formation = rail.NewFormation(t.Formation.Coaches[1:]) },
	} {
		id := with(t12(), change).ID
		require.Empty(t, seen[id], "%s has the id of %s", name, seen[id])
		seen[id] = name
	}
}

func TestTrain_DocumentRoundTrip(t *testing.T) {
	for name, train := range map[string]*rail.Train{
		"whole": t12(),
		"other": with(t12(), func(t *rail.Train) {
			t.Kind, t.Number, t.TimeZone = "", "D305/D308 <&>", "Europe/Berlin"
			t.Calls[1].NoBoarding, t.Calls[2].NoAlighting, t.Calls[2].Metres = true, true, rail.NoDistance
			t.Fares.PerKm[0].MinimumMinor, t.Fares.RoundToMinor = 300, 50
		}),
	} {
		document, err := train.Document()
		require.NoError(t, err)
		got, err := rail.DecodeTrain(train.ID, document, train.Formation)
		require.NoError(t, err, name)
		require.Equal(t, train, got, name)
		require.Equal(t, train.Location(), got.Location())
	}
}

// A train that was changed behind its id must not be sold from.
func TestDecodeTrain_Refuses(t *testing.T) {
	train := t12()
	document, err := train.Document()
	require.NoError(t, err)
	for name, changed := range map[string]string{
		"a cheaper fare": strings.Replace(string(document), "55300", "1", 1),
		"another number": strings.Replace(string(document), "T12", "T13", 1),
		"nothing":        "", "an empty one": "{}", "null": "null", "no fares": `{"fares":null}`,
		"cut off": string(document[:len(document)-1]),
	} {
		require.NotEqual(t, string(document), changed, name)
		_, err := rail.DecodeTrain(train.ID, []byte(changed), train.Formation)
		require.Error(t, err, name)
	}
	_, err = rail.DecodeTrain(train.ID, document, rail.NewFormation(train.Formation.Coaches[1:]))
	require.Error(t, err, "another formation")
}

func TestTrain_Shape(t *testing.T) {
	require.Equal(t, 3, t12().Legs())
	require.Equal(t, "Asia/Shanghai", t12().Location().String())
	require.Equal(t, time.UTC, with(t12(), func(t *rail.Train) { t.TimeZone = "nowhere" }).Location())
}

func ExampleTrain_Aliases() {
	train := with(t12(), func(t *rail.Train) { t.Number = "D305/D308" })
	fmt.Println(train.Aliases())
	// Output: [D305 D308]
}
