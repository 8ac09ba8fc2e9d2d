package resolvers

import (
	"errors"
	"math"
	"time"

	"interlock/graph"
	"interlock/services/publish"
	"interlock/services/rail"
)

// trainRequest reads the input. It refuses what cannot be read. Whether the parts make a valid train, rail decides.
func trainRequest(input *graph.PublishTrainInput) (publish.TrainRequest, error) {
	var errs rail.Errors
	request := publish.TrainRequest{
		Number: input.Number, Kind: value(input.Kind), From: input.From, Through: input.Through,
		Calls: readCalls(input.Calls, &errs), Coaches: readCoaches(input.Coaches, &errs),
		Fares:        readFares(input.Fares, &errs),
		ValidateOnly: input.ValidateOnly,
	}
	for _, day := range input.Weekdays {
		request.Weekdays = append(request.Weekdays, weekdays[day])
	}
	if input.SaleOpens != nil {
		request.SaleOpens = readSaleOpens(input.SaleOpens, &errs)
	}
	return request, errs.OrNil()
}

func readSaleOpens(input *graph.SaleOpensInput, errs *rail.Errors) publish.SaleOpens {
	opens := publish.SaleOpens{At: value(input.At)}
	if before := input.DaysBefore; before != nil {
		opens.DaysBefore = &before.Days
		opens.Clock = readOffset(&before.At, []string{"input", "saleOpens", "daysBefore", "at"}, errs)
	}
	return opens
}

var weekdays = map[graph.Weekday]time.Weekday{
	graph.WeekdayMonday: time.Monday, graph.WeekdayTuesday: time.Tuesday, graph.WeekdayWednesday: time.Wednesday,
	graph.WeekdayThursday: time.Thursday, graph.WeekdayFriday: time.Friday, graph.WeekdaySaturday: time.Saturday,
	graph.WeekdaySunday: time.Sunday,
}

func readCalls(inputs []*graph.CallInput, errs *rail.Errors) []rail.Call {
	if len(inputs) > rail.MaxCalls {
		errs.Add(rail.Invalid, []string{"input", "calls"}, "a train calls at 2 to %d stations, not %d", rail.MaxCalls,
			len(inputs))
		return nil
	}
	calls := make([]rail.Call, len(inputs))
	for i, input := range inputs {
		path := []string{"input", "calls", rail.Index(i)}
		if input.Arrival == nil && i > 0 {
			errs.Add(rail.Invalid, append(path, "arrival"), "every call but the first has an arrival")
		}
		if input.Departure == nil && i < len(inputs)-1 {
			errs.Add(rail.Invalid, append(path, "departure"), "every call but the last has a departure")
		}
		call := readCall(input, path, errs)
		// The origin's arrival and the terminus's departure mean nothing. One canonical value keeps equal trains equal.
		if i == 0 {
			call.ArrivalSeconds = call.DepartureSeconds
		} else if i == len(inputs)-1 {
			call.DepartureSeconds = call.ArrivalSeconds
		}
		calls[i] = call
	}
	return calls
}

// readCall reads one call by itself. A time that is not given is 0.
func readCall(input *graph.CallInput, path []string, errs *rail.Errors) rail.Call {
	return rail.Call{
		Station:          input.Station,
		ArrivalSeconds:   readOffset(input.Arrival, append(path, "arrival"), errs),
		DepartureSeconds: readOffset(input.Departure, append(path, "departure"), errs),
		Metres:           readDistance(input.DistanceKm, append(path, "distanceKm"), errs),
		NoBoarding:       !input.Boarding,
		NoAlighting:      !input.Alighting,
	}
}

// readDistance is a distance in metres, rounded; rail.NoDistance where none is given.
func readDistance(km *float64, path []string, errs *rail.Errors) int32 {
	if km == nil {
		return rail.NoDistance
	}
	if *km >= 0 && *km <= math.MaxInt32/1000 {
		return int32(math.Round(*km * 1000))
	}
	errs.Add(rail.Invalid, path, "a distance is a number of kilometres from the origin")
	return rail.NoDistance
}

func readOffset(s *string, path []string, errs *rail.Errors) int32 {
	if s == nil {
		return 0
	}
	seconds, err := publish.ParseOffset(*s)
	if err != nil {
		errs.Add(rail.Invalid, path, "%s", message(err))
	}
	return seconds
}

func readCoaches(inputs []*graph.CoachInput, errs *rail.Errors) []rail.Coach {
	if len(inputs) > rail.MaxCoaches {
		// This comes before the layouts are read, because a layout of a few words makes a thousand seats.
		errs.Add(rail.Invalid, []string{"input", "coaches"}, "a train has 1 to %d coaches, not %d", rail.MaxCoaches,
			len(inputs))
		return nil
	}
	coaches := make([]rail.Coach, len(inputs))
	for i, input := range inputs {
		coach := rail.Coach{Number: input.Number, SeatClass: input.SeatClass}
		var err error
		switch layout := input.Layout; {
		case layout.Rows != nil:
			coach.Seats, err = rail.RowSeats(layout.Rows.Letters, layout.Rows.First, layout.Rows.Last,
				layout.Rows.Without)
		case layout.Berths != nil:
			coach.Seats, err = rail.BerthSeats(layout.Berths.Tiers, layout.Berths.First, layout.Berths.Last)
		default:
			for _, seat := range layout.Seats {
				coach.Seats = append(coach.Seats, rail.Seat{Label: seat.Label, Position: value(seat.Position)})
			}
		}
		if err != nil {
			errs.Add(rail.Invalid, []string{"input", "coaches", rail.Index(i), "layout"}, "%s", message(err))
		}
		coaches[i] = coach
	}
	return coaches
}

func readFares(input *graph.FaresInput, errs *rail.Errors) rail.Fares {
	fares := rail.Fares{Currency: rail.Currency(input.CurrencyCode)}
	if !fares.Currency.Valid() {
		errs.Add(rail.Invalid, []string{"input", "fares", "currencyCode"}, "%q is not an ISO 4217 currency code",
			input.CurrencyCode)
		return fares
	}
	amount := func(s *string, path ...string) int64 {
		if s == nil {
			return 0
		}
		money, err := rail.ParseMoney(*s, fares.Currency)
		if err != nil {
			errs.Add(rail.Invalid, append([]string{"input", "fares"}, path...), "%s", message(err))
		}
		return money.Minor
	}
	fares.RoundToMinor = amount(input.RoundTo, "roundTo")
	for i, rate := range input.PerKm {
		micros, err := rail.ParseKmRate(rate.Amount, fares.Currency)
		if err != nil {
			errs.Add(rail.Invalid, []string{"input", "fares", "perKm", rail.Index(i), "amount"}, "%s", message(err))
		}
		fares.PerKm = append(fares.PerKm, rail.KmRate{
			SeatClass: rate.SeatClass, MicrosPerKm: micros,
			MinimumMinor: amount(rate.Minimum, "perKm", rail.Index(i), "minimum"), Free: rate.Free,
		})
	}
	for i, flat := range input.Flat {
		fares.Flat = append(fares.Flat, rail.FlatFare{
			SeatClass: flat.SeatClass, Minor: amount(&flat.Amount, "flat", rail.Index(i), "amount"), Free: flat.Free,
		})
	}
	for i, pair := range input.Pairs {
		fares.Pairs = append(fares.Pairs, rail.PairFare{
			SeatClass: pair.SeatClass, From: pair.From, To: pair.To,
			Minor: amount(&pair.Amount, "pairs", rail.Index(i), "amount"), Free: pair.Free,
		})
	}
	return fares
}

// message is an error's text without its code, which the refusal already has.
func message(err error) string {
	var e *rail.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
