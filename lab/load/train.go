package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"interlock/services/rail"
)

// The hot train: as long as the longest of a real timetable, with many more seats than any, so that a rush lasts.
const (
	Calls         = 38
	SeatsPerClass = 4_096
	// A coach has 64 rows of four.
	coachRows, coachSeats, coachLetters = 64, 256, "AB CD"
	// kmPerLeg is from call to call.
	kmPerLeg = 35
	// MaxDates is how many dates one publication may have.
	MaxDates = 400
)

// Classes are the hot train's.
var Classes = [...]rail.SeatClass{rail.Business, rail.First, rail.Second}

// StationCode is the code of the n-th call's station.
func StationCode(n int) string { return fmt.Sprintf("L%02d", n) }

const (
	publishStation = `mutation($i:PublishStationInput!){publishStation(input:$i){userErrors{code path message}}}`
	publishTrain   = `mutation($i:PublishTrainInput!){publishTrain(input:$i){runs{id date} userErrors{code path ` +
		`message}}}`
)

// Publish puts a train of the hot shape, with so many seats in each class, on sale for a number of dates, through the
// public API.
func Publish(ctx context.Context, server, adminToken, number string, seatsPerClass, dates int) ([]*Run, error) {
	names := make([]string, Calls)
	for n := range names {
		names[n] = fmt.Sprintf("Lab %d", n+1)
	}
	return publish(ctx, API{Server: server, Token: adminToken}, names, trainInput(number, seatsPerClass, dates),
		seatsPerClass)
}

// PublishOneSeat puts a train from Beijing to Shanghai on sale for a number of dates that has a single seat.
func PublishOneSeat(ctx context.Context, server, adminToken, number, coach, seat string, dates int) ([]*Run, error) {
	first := rail.DateIn(time.Now(), time.UTC).AddDays(2)
	return publish(ctx, API{Server: server, Token: adminToken}, []string{"Beijing", "Shanghai"}, map[string]any{
		"number": number, "kind": "T", "calls": []any{
			map[string]any{"station": StationCode(0), "distanceKm": 0, "departure": "18:00"},
			map[string]any{"station": StationCode(1), "distanceKm": 1463, "arrival": "31:30"},
		},
		"coaches": []any{map[string]any{
			"number": coach, "seatClass": rail.Second,
			"layout": map[string]any{"seats": []any{map[string]any{"label": seat}}},
		}},
		"fares": map[string]any{
			"currencyCode": "CNY", "perKm": []any{map[string]any{"seatClass": rail.Second, "amount": "0.40"}},
		},
		"from": first.String(), "through": first.AddDays(dates - 1).String(),
	}, 1)
}

// publish puts stations and a train that calls there on sale.
func publish(ctx context.Context, api API, stations []string, train map[string]any, seatsPerClass int) ([]*Run, error) {
	for n, name := range stations {
		var answer struct {
			PublishStation struct{ UserErrors []refusal }
		}
		err := api.Ask(ctx, publishStation, map[string]any{"i": map[string]any{
			"code": StationCode(n), "name": name, "timeZone": "Asia/Shanghai",
		}}, &answer)
		if err == nil && len(answer.PublishStation.UserErrors) > 0 {
			err = fmt.Errorf("publishStation: %+v", answer.PublishStation.UserErrors)
		}
		if err != nil {
			return nil, err
		}
	}
	var answer struct {
		PublishTrain struct {
			Runs       []struct{ ID, Date string }
			UserErrors []refusal
		}
	}
	err := api.Ask(ctx, publishTrain, map[string]any{"i": train}, &answer)
	if err == nil && len(answer.PublishTrain.UserErrors) > 0 {
		err = fmt.Errorf("publishTrain: %+v", answer.PublishTrain.UserErrors)
	}
	if err != nil {
		return nil, err
	}
	runs := make([]*Run, len(answer.PublishTrain.Runs))
	for i, run := range answer.PublishTrain.Runs {
		date, err := rail.ParseDate(run.Date)
		if err != nil {
			return nil, err
		}
		runs[i] = &Run{ID: run.ID, RunID: rail.NewRunID(train["number"].(string), date), SeatsPerClass: seatsPerClass}
	}
	return runs, nil
}

// Suspend takes a run off sale for a while, and Resume puts it back on sale.
func Suspend(ctx context.Context, server, adminToken string, run *Run) error {
	return setStatus(ctx, API{Server: server, Token: adminToken}, run, "suspendRun", "SuspendRunInput")
}

// Resume is described at Suspend.
func Resume(ctx context.Context, server, adminToken string, run *Run) error {
	return setStatus(ctx, API{Server: server, Token: adminToken}, run, "resumeRun", "ResumeRunInput")
}

// Withdraw is described at Suspend. All orders of the run end, and what was paid for them goes back.
func Withdraw(ctx context.Context, server, adminToken string, run *Run) error {
	return decide(ctx, API{Server: server, Token: adminToken}, "withdrawRun", "WithdrawRunInput",
		map[string]any{"runId": run.ID, "reason": "the lab", "cancelOrders": true})
}

func setStatus(ctx context.Context, api API, run *Run, mutation, input string) error {
	return decide(ctx, api, mutation, input, map[string]any{"runId": run.ID, "reason": "the lab"})
}

func decide(ctx context.Context, api API, mutation, input string, i map[string]any) error {
	var answer struct {
		Changed struct{ UserErrors []refusal }
	}
	err := api.Ask(ctx, "mutation($i:"+input+"!){changed:"+mutation+"(input:$i){userErrors{code path message}}}",
		map[string]any{"i": i}, &answer)
	if err == nil && len(answer.Changed.UserErrors) > 0 {
		err = fmt.Errorf("%s: %+v", mutation, answer.Changed.UserErrors)
	}
	return err
}

type refusal struct {
	Code, Message string
	Path          []string
}

// trainInput is a train that calls every twenty minutes, from the day after tomorrow on: by then it is that date in
// every time zone.
func trainInput(number string, seatsPerClass, dates int) map[string]any {
	calls := make([]any, Calls)
	for n := range calls {
		minute := 6*60 + 20*n
		call := map[string]any{"station": StationCode(n), "distanceKm": kmPerLeg * n}
		if n > 0 {
			call["arrival"] = fmt.Sprintf("%02d:%02d", minute/60, minute%60)
		}
		if n < Calls-1 {
			call["departure"] = fmt.Sprintf("%02d:%02d", (minute+2)/60, (minute+2)%60)
		}
		calls[n] = call
	}
	var coaches, fares []any
	for c, class := range Classes {
		coachesPerClass := seatsPerClass / coachSeats
		for n := range coachesPerClass {
			coaches = append(coaches, map[string]any{
				"number": fmt.Sprint(c*coachesPerClass + n + 1), "seatClass": class,
				"layout": map[string]any{"rows": map[string]any{
					"letters": coachLetters, "first": 1,
					"last": coachRows,
				}},
			})
		}
		fares = append(fares, map[string]any{"seatClass": class, "amount": fmt.Sprintf("%d.40", fareOfClass(c))})
	}
	first := rail.DateIn(time.Now(), time.UTC).AddDays(2)
	return map[string]any{
		"number": number, "kind": "G", "calls": calls, "coaches": coaches,
		"fares": map[string]any{"currencyCode": "CNY", "roundTo": "0.50", "perKm": fares},
		"from":  first.String(), "through": first.AddDays(dates - 1).String(),
	}
}

// fareOfClass is the yuan in the fare for a kilometre; forty fen are added.
func fareOfClass(class int) int { return len(Classes) - class }

// Price is what the hot train's trips cost, in fen: its fare for a kilometre, rounded to half a yuan.
func Price(t Trip) int {
	const half = 50
	return (kmPerLeg*(t.To-t.From)*(100*fareOfClass(t.Class)+40) + half/2) / half * half
}

// Formation is the hot train's.
func Formation() (*rail.Formation, error) {
	seats, err := rail.RowSeats(coachLetters, 1, coachRows, nil)
	if err != nil {
		return nil, err
	}
	var coaches []rail.Coach
	for _, class := range Classes {
		for range SeatsPerClass / coachSeats {
			coaches = append(coaches, rail.Coach{Number: fmt.Sprint(len(coaches) + 1), SeatClass: class, Seats: seats})
		}
	}
	return rail.NewFormation(coaches), nil
}

// AwaitRun waits until a server sells a run: servers learn of a publication within a second.
func AwaitRun(ctx context.Context, server, id string) error {
	ctx, cancel := context.WithTimeout(ctx, publicationTimeout)
	defer cancel()
	ticker := time.NewTicker(publicationPoll)
	defer ticker.Stop()
	for {
		var answer struct{ Node *struct{ State string } }
		err := API{Server: server}.Ask(ctx, `query($i:ID!){node(id:$i){... on Run{state}}}`,
			map[string]any{"i": id}, &answer)
		if err == nil && answer.Node != nil && answer.Node.State == "ON_SALE" {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			state := "unknown to it"
			if answer.Node != nil {
				state = answer.Node.State
			}
			return fmt.Errorf("%s does not sell the run %s, which is %s: %w", server, id, state,
				errors.Join(ctx.Err(), err))
		}
	}
}

const (
	// publicationTimeout is generous: a server promises a second.
	publicationTimeout = 30 * time.Second
	publicationPoll    = 50 * time.Millisecond
)
