package resolvers

import (
	"context"

	"interlock/graph"
	"interlock/services/publish"
	"interlock/services/rail"
)

func (r *mutationResolver) PublishStation(
	ctx context.Context, input graph.PublishStationInput,
) (*graph.PublishStationPayload, error) {
	s := rail.Station{
		Code: input.Code, Name: input.Name, Names: map[string]string{}, TimeZone: input.TimeZone,
		Latitude: input.Latitude, Longitude: input.Longitude,
	}
	var published *rail.Station
	err := readNames(input.Names, s.Names)
	if err == nil {
		published, err = r.Publisher.PublishStation(ctx, s, rail.ViewerFrom(ctx).Subject)
	}
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	payload := &graph.PublishStationPayload{UserErrors: refusals}
	if published != nil {
		payload.Station = station(published)
	}
	return payload, nil
}

// readNames puts a station's names into a map by their languages. A language that is there twice is refused.
func readNames(inputs []*graph.StationNameInput, names map[string]string) error {
	var errs rail.Errors
	for i, input := range inputs {
		if _, twice := names[input.Language]; twice {
			errs.Add(rail.Invalid, []string{"input", "names", rail.Index(i), "language"},
				"the language %q is there twice", input.Language)
		}
		names[input.Language] = input.Name
	}
	return errs.OrNil()
}

func (r *mutationResolver) PublishTrain(
	ctx context.Context, input graph.PublishTrainInput,
) (*graph.PublishTrainPayload, error) {
	result, err := r.publishTrain(ctx, &input)
	refusals, err := refused(err)
	if err != nil {
		return nil, err
	}
	payload := &graph.PublishTrainPayload{
		Created: result.Created, Changed: result.Changed, Unchanged: result.Unchanged, UserErrors: refusals,
	}
	if result.Train != nil {
		payload.Train = train(result.Train)
	}
	if !input.ValidateOnly {
		for _, run := range result.Runs {
			payload.Runs = append(payload.Runs, r.run(run))
		}
	}
	return payload, nil
}

func (r *mutationResolver) publishTrain(
	ctx context.Context, input *graph.PublishTrainInput,
) (publish.TrainResult, error) {
	request, err := trainRequest(input)
	if err != nil {
		return publish.TrainResult{}, err
	}
	return r.Publisher.PublishTrain(ctx, request, rail.ViewerFrom(ctx).Subject)
}

func (r *mutationResolver) SuspendRun(
	ctx context.Context, input graph.SuspendRunInput,
) (*graph.SuspendRunPayload, error) {
	run, refusals, err := r.changeRun(ctx, input.RunID, input.Reason, r.Publisher.Suspend)
	if err != nil {
		return nil, err
	}
	return &graph.SuspendRunPayload{Run: run, UserErrors: refusals}, nil
}

func (r *mutationResolver) ResumeRun(ctx context.Context, input graph.ResumeRunInput) (*graph.ResumeRunPayload, error) {
	run, refusals, err := r.changeRun(ctx, input.RunID, input.Reason, r.Publisher.Resume)
	if err != nil {
		return nil, err
	}
	return &graph.ResumeRunPayload{Run: run, UserErrors: refusals}, nil
}

func (r *mutationResolver) WithdrawRun(
	ctx context.Context, input graph.WithdrawRunInput,
) (*graph.WithdrawRunPayload, error) {
	var paid []*rail.Order
	run, refusals, err := r.changeRun(ctx, input.RunID, input.Reason,
		func(ctx context.Context, id rail.RunID, reason, by string) (run *rail.Run, err error) {
			run, paid, err = r.Publisher.Withdraw(ctx, id, reason, by, input.CancelOrders)
			return run, err
		})
	if err != nil {
		return nil, err
	}
	payload := &graph.WithdrawRunPayload{Run: run, OrdersToRepay: []*graph.Order{}, UserErrors: refusals}
	for _, o := range paid {
		payload.OrdersToRepay = append(payload.OrdersToRepay, order(o))
	}
	return payload, nil
}

// changeRun changes the run with an id, and turns what became of it into the run and the refusals of a payload.
func (r *mutationResolver) changeRun(
	ctx context.Context, id, reason string,
	change func(ctx context.Context, id rail.RunID, reason, by string) (*rail.Run, error),
) (*graph.Run, []graph.UserError, error) {
	var run *rail.Run
	runID, err := readRunID(id)
	if err == nil {
		run, err = change(ctx, runID, reason, rail.ViewerFrom(ctx).Subject)
	}
	refusals, err := refused(err)
	if err != nil || run == nil {
		return nil, refusals, err
	}
	return r.run(run), refusals, nil
}
