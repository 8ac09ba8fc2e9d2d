package seats_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/lab/seats"
	"interlock/services/rail"
)

// short is the least that is a season: one train on two dates.
func short() seats.Options { return seats.Options{Seeds: 2, Trains: 1, Loads: []float64{0.5, 0.9}} }

func TestRun_ReachesItsGoals(t *testing.T) {
	report, err := seats.Run(t.Context(), seats.Options{Seeds: 1, Trains: 2})
	require.NoError(t, err)
	require.True(t, report.OK(), seats.Text(report))
	require.Equal(t, []int{1}, report.Seeds)
	require.Len(t, report.Trains, 2)
	require.Equal(t, "D3136/D3137", report.Trains[0].Number)
	require.Equal(t, 38, report.Trains[0].Calls)
	require.Equal(t, map[rail.SeatClass]int{rail.First: 52, rail.Second: 565}, report.Trains[0].Seats)
	for _, season := range []*seats.Season{&report.Season, &report.Alone} {
		require.Len(t, season.Loads, 4)
		for l, load := range []float64{0.9, 1.2, 1.5, 2} {
			at := season.Loads[l]
			require.InDelta(t, load, at.Load, 0)
			require.InEpsilon(t, load, at.DemandedSeatKm/at.CapacitySeatKm, 0.01)
			require.Greater(t, at.BestFit.SeatKm, at.RandomFit.SeatKm)
			require.Greater(t, at.Optimum.SeatKm, at.Reseating.SeatKm)
			require.Less(t, at.Optimum.SeatKm, at.CapacitySeatKm)
			require.LessOrEqual(t, season.MinRatioToReseating, at.BestFit.RatioToReseating)
		}
	}
	for _, at := range report.Alone.Loads {
		require.Equal(t, at.FirstFitApart, at.FirstFit, "where nobody has company or a wish, there is one first seat")
	}
}

// The usual demand is as long as the trips it is taken from.
func TestUsualDemand_GoesAsFarAsPassengersDo(t *testing.T) {
	report, err := seats.Run(t.Context(), seats.Options{Seeds: 2, Loads: []float64{0.5}})
	require.NoError(t, err)
	require.InEpsilon(t, 318, report.MeanTripKm, 0.03)
	require.InEpsilon(t, 318, report.Alone.MeanTripKm, 0.03)
}

func TestRun_SameSeedsSameReport(t *testing.T) {
	one, err := seats.Run(t.Context(), short())
	require.NoError(t, err)
	other, err := seats.Run(t.Context(), short())
	require.NoError(t, err)
	require.Equal(t, one, other)

	options := short()
	options.Seeds = 1
	first, err := seats.Run(t.Context(), options)
	require.NoError(t, err)
	both := one.Loads[0].BestFit.RatioToCapacity
	require.NotEqual(t, both, first.Loads[0].BestFit.RatioToCapacity, "another seed is another day")
}

// The demand of a load begins with that of a lower one, so a load alone is sold as it is among others.
func TestRun_LoadsDoNotDependOnEachOther(t *testing.T) {
	all, err := seats.Run(t.Context(), short())
	require.NoError(t, err)
	options := short()
	options.Loads = []float64{0.9}
	one, err := seats.Run(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, all.Loads[1], one.Loads[0])
}

func TestRun_FindsAWorseAllocation(t *testing.T) {
	options := short()
	options.Allocation = func(c *seats.Cabin) seats.Seller { return seats.RandomFit(c, rand.New(rand.NewPCG(7, 7))) }
	report, err := seats.Run(t.Context(), options)
	require.NoError(t, err)
	require.False(t, report.OK())
	require.Less(t, report.MinRatioToReseating, 0.96)
	require.Less(t, report.MinRatioToFirstFit, 0.99)

	options.Allocation = func(c *seats.Cabin) seats.Seller { return choosy{seats.BestFit(c)} }
	report, err = seats.Run(t.Context(), options)
	require.NoError(t, err)
	require.False(t, report.OK())
	require.Less(t, report.MinRatioToFirstFit, 1.0)
}

// choosy turns the largest parties away.
type choosy struct{ seats.Seller }

func (s choosy) Sell(p seats.Party) ([]int, bool) {
	if p.Size() == 4 {
		return nil, false
	}
	return s.Seller.Sell(p)
}

// generous gives every party the first seats.
type generous struct{ named bool }

func (g generous) Sell(p seats.Party) ([]int, bool) {
	if !g.named {
		return nil, true
	}
	given := make([]int, p.Size())
	for n := range given {
		given[n] = n
	}
	return given, true
}

func TestRun_FailsWhereASellerOversells(t *testing.T) {
	for named, want := range map[bool]error{true: seats.ErrSoldTwice, false: seats.ErrSoldOver} {
		options := short()
		options.Allocation = func(*seats.Cabin) seats.Seller { return generous{named} }
		_, err := seats.Run(t.Context(), options)
		require.ErrorIs(t, err, want)
	}
}

func TestRun_RefusesWhatMakesNoSense(t *testing.T) {
	for name, options := range map[string]seats.Options{
		"seeds":        {Seeds: -1},
		"trains":       {Trains: -1},
		"more trains":  {Trains: 1_000_000},
		"no load":      {Loads: []float64{0}},
		"load":         {Loads: []float64{1, math.NaN()}},
		"much load":    {Loads: []float64{100}},
		"no parties":   {Demand: &seats.Demand{DecayKm: 1}},
		"half a party": {Demand: &seats.Demand{DecayKm: 1, PartySizes: []float64{0.5}}},
		"no decay":     {Demand: &seats.Demand{PartySizes: []float64{1}}},
		"wishes":       {Demand: &seats.Demand{DecayKm: 1, PartySizes: []float64{1}, WishShare: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := seats.Run(t.Context(), options)
			var refusal *rail.Error
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, rail.Invalid, refusal.Code)
		})
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	options := short()
	options.Allocation = func(c *seats.Cabin) seats.Seller {
		cancel()
		return seats.BestFit(c)
	}
	_, err := seats.Run(ctx, options)
	require.ErrorIs(t, err, context.Canceled)
}

func TestReport_HasItsKeys(t *testing.T) {
	options := short()
	options.Seeds, options.Trains, options.Loads = 1, 1, []float64{1}
	report, err := seats.Run(t.Context(), options)
	require.NoError(t, err)
	document, err := json.Marshal(report)
	require.NoError(t, err)
	var read struct {
		MinRatioToReseating float64 `json:"min_ratio_to_reseating"`
		MinRatioToFirstFit  float64 `json:"min_ratio_to_first_fit"`
		Seeds               []int   `json:"seeds"`
		Loads               []struct {
			Load    float64 `json:"load"`
			BestFit struct {
				SeatKm           float64 `json:"seat_km"`
				RatioToReseating float64 `json:"ratio_to_reseating"`
			} `json:"best_fit"`
		} `json:"loads"`
		Alone struct {
			MinRatioToReseating float64 `json:"min_ratio_to_reseating"`
		} `json:"alone"`
	}
	require.NoError(t, json.Unmarshal(document, &read))
	require.InDelta(t, report.MinRatioToReseating, read.MinRatioToReseating, 0)
	require.InDelta(t, report.MinRatioToFirstFit, read.MinRatioToFirstFit, 0)
	require.InDelta(t, report.Alone.MinRatioToReseating, read.Alone.MinRatioToReseating, 0)
	require.Equal(t, []int{1}, read.Seeds)
	require.InDelta(t, report.Loads[0].BestFit.SeatKm, read.Loads[0].BestFit.SeatKm, 0)
	require.InDelta(t, read.MinRatioToReseating, read.Loads[0].BestFit.RatioToReseating, 1e-12)
}

func TestPlot_DrawsWhatWasSold(t *testing.T) {
	for _, loads := range [][]float64{{1}, {0.9, 1.2}} {
		report, err := seats.Run(t.Context(), seats.Options{Seeds: 1, Trains: 1, Loads: loads})
		require.NoError(t, err)
		picture, err := seats.Plot(report)
		require.NoError(t, err)
		var svg bytes.Buffer
		_, err = picture.WriteTo(&svg)
		require.NoError(t, err)
		for _, words := range []string{
			"best-fit (Interlock)", "first-fit, parties together", "random-fit",
			"free re-seating",
		} {
			require.Contains(t, svg.String(), words)
		}
		require.NotContains(t, svg.String(), "NaN")
		decoder := xml.NewDecoder(&svg)
		for err == nil {
			_, err = decoder.Token()
		}
		require.True(t, errors.Is(err, io.EOF), "%v", err)
	}
}
