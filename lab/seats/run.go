package seats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"

	"interlock/services/publish/gtfs"
	"interlock/services/publish/sample"
	"interlock/services/rail"
)

// The usual options.
const (
	// usualSeeds is a season of three months.
	usualSeeds = 90
	// usualTrains are those that nearly cross the country; trains after them are more of the same lines.
	usualTrains = 5
)

// The most there may be. A hundred seeds of five trains take half a minute, so that many take a working day. At ten
// times what there is, every train is full with any choice of seats.
const (
	maxSeeds = 100_000
	maxLoad  = 10
)

// logEvery is after how many service dates Run logs its progress.
const logEvery = 10

// Options say what to simulate. The zero value is the usual.
type Options struct {
	// Seeds is how many service dates there are, 90 by default: seed n makes the demand of the n-th, from 1 on.
	Seeds int
	// Loads are the seat-kilometres demanded of each class of each run over those there are; 0.9, 1.2, 1.5 and 2 by
	// default. The demand of a higher load begins with that of the lower.
	Loads []float64
	// Trains is how many of the sample's trains with the most calls there are, 5 by default.
	Trains int
	// Demand says which trips are wanted; by default UsualDemand.
	Demand *Demand
	// Allocation stands in for BestFit, to see that a worse one is found out.
	Allocation func(*Cabin) Seller
	// Log hears of progress, if it is set.
	Log *slog.Logger
}

// ErrAboveOptimum says that a seller sold more than there can be.
var ErrAboveOptimum = errors.New("more was sold than the optimum")

// Run sells a season: the demand that was asked for, and beside it the same with every passenger alone and without a
// wish. It fails with rail.Invalid for options that make no sense, with ErrSoldTwice, ErrSoldOver or ErrAboveOptimum
// where a seller is wrong, and when ctx ends.
func Run(ctx context.Context, o Options) (*Report, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	trains, masses, err := longest(ctx, o.Trains)
	if err != nil {
		return nil, err
	}
	report := &Report{DemandModel: demandModel}
	for seed := range o.Seeds {
		report.Seeds = append(report.Seeds, seed+1)
	}
	for _, train := range trains {
		report.Trains = append(report.Trains, describe(train))
	}
	if report.Season, err = o.season(ctx, "parties", *o.Demand, trains, masses); err != nil {
		return nil, err
	}
	if report.Alone, err = o.season(ctx, "alone", o.Demand.alone(), trains, masses); err != nil {
		return nil, err
	}
	return report, nil
}

// filled are the options with what was left out.
func (o Options) filled() (Options, error) {
	if o.Seeds == 0 {
		o.Seeds = usualSeeds
	}
	if o.Trains == 0 {
		o.Trains = usualTrains
	}
	if len(o.Loads) == 0 {
		o.Loads = []float64{0.9, 1.2, 1.5, 2}
	}
	if o.Demand == nil {
		demand := UsualDemand()
		o.Demand = &demand
	}
	if o.Allocation == nil {
		o.Allocation = BestFit
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Seeds < 1 || o.Seeds > maxSeeds {
		return o, rail.Refuse(rail.Invalid, "there are 1 to %d seeds, not %d", maxSeeds, o.Seeds)
	}
	if o.Trains < 1 {
		return o, rail.Refuse(rail.Invalid, "%d trains are none", o.Trains)
	}
	o.Loads = slices.Clone(o.Loads)
	slices.Sort(o.Loads)
	for _, load := range o.Loads {
		if !(load > 0 && load <= maxLoad) { // nor NaN
			return o, rail.Refuse(rail.Invalid, "a load is above 0 and at most %d, not %g", maxLoad, load)
		}
	}
	return o, o.Demand.validate()
}

// longest are the sample's trains with the most calls, in the timetable's order where they have as many, and the masses
// of all stations.
func longest(ctx context.Context, n int) ([]*rail.Train, map[rail.StationCode]int, error) {
	feed, err := sample.Feed(ctx)
	if err != nil {
		return nil, nil, err
	}
	templates, err := sample.Templates()
	if err != nil {
		return nil, nil, err
	}
	if n > len(feed.Trips) {
		return nil, nil, rail.Refuse(rail.Invalid, "the sample has %d trains, not %d", len(feed.Trips), n)
	}
	masses := massesOf(feed.Trips)
	slices.SortStableFunc(feed.Trips, func(a, b *gtfs.Trip) int { return len(b.Calls) - len(a.Calls) })
	var trains []*rail.Train
	for _, trip := range feed.Trips[:n] {
		kind, template := templates.Of(trip) // There is one for each: the sample's templates have a default.
		train := rail.NewTrain(trip.Number, kind, feed.TimeZone, trip.Calls, template.Formation, template.Fares)
		if err := train.Validate().OrNil(); err != nil {
			return nil, nil, err
		}
		trains = append(trains, train)
	}
	return trains, masses, nil
}

// season sells all dates of all trains to one kind of demand.
func (o *Options) season(
	ctx context.Context, name string, demand Demand, trains []*rail.Train, masses map[rail.StationCode]int,
) (Season, error) {
	var cabins []*tally
	for t, train := range trains {
		market := newMarket(demand, train, masses)
		for c, class := range train.Formation.Classes {
			cabins = append(cabins, &tally{
				train: train.Number, cabin: NewCabin(train, class), market: market,
				stream: uint64(t*len(rail.SeatClasses) + c), loads: make([]amounts, len(o.Loads)),
			})
		}
	}
	for seed := range o.Seeds {
		for _, cabin := range cabins {
			if err := ctx.Err(); err != nil {
				return Season{}, err
			}
			if err := o.sell(cabin, uint64(seed+1)); err != nil {
				return Season{}, fmt.Errorf("train %s, %s, seed %d: %w", cabin.train, cabin.cabin.Class, seed+1, err)
			}
		}
		if (seed+1)%logEvery == 0 {
			o.Log.Info("sold", "demand", name, "dates", seed+1, "of", o.Seeds)
		}
	}
	return summarize(demand, o.Loads, o.Seeds, cabins), nil
}

// sell sells one class of one run by all ways.
func (o *Options) sell(t *tally, seed uint64) error {
	c := t.cabin
	// Each cabin and each use has its own stream of numbers, so that none depends on what was drawn for another.
	const streams = 2
	random := rand.New(rand.NewPCG(seed, t.stream*streams))
	ways := [online]struct {
		seller Seller
		book   *Book
	}{
		bestFitWay:       {o.Allocation(c), NewBook(c)},
		firstFitWay:      {FirstFit(c), NewBook(c)},
		firstFitApartWay: {FirstFitApart(c), NewBook(c)},
		randomFitWay:     {RandomFit(c, rand.New(rand.NewPCG(seed, t.stream*streams+1))), NewBook(c)},
		reseatingWay:     {Reseating(c), NewBook(c)},
	}
	var parties []Party
	demanded := int64(0)
	for l, load := range o.Loads {
		for float64(demanded) < load*float64(c.SeatMetres()) {
			p := t.market.draw(random)
			parties = append(parties, p)
			demanded += c.demanded(p)
			t.passengers += p.Size()
			t.passengerMetres += c.demanded(p)
			for w := range ways {
				seats, ok := ways[w].seller.Sell(p)
				if !ok {
					continue
				}
				if err := ways[w].book.Enter(p, seats); err != nil {
					return fmt.Errorf("%s: %w", wayNames[w], err)
				}
			}
		}
		at := &t.loads[l]
		at.demanded += demanded
		best := Optimum(c, parties)
		at.sold[optimumWay] += best
		for w := range ways {
			if ways[w].book.SeatMetres > best {
				return fmt.Errorf("%s at load %g: %w", wayNames[w], load, ErrAboveOptimum)
			}
			at.sold[w] += ways[w].book.SeatMetres
		}
	}
	return nil
}
