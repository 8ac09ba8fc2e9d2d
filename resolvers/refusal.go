package resolvers

import (
	"errors"

	"interlock/services/rail"

	"interlock/graph"
)

// maxUserErrors bounds the refusals of one answer: a train of 256 calls may be wrong in every one, and nobody reads on.
const maxUserErrors = 100

// refused splits an error into the refusals that go into a payload's userErrors and the failure that does not.
func refused(err error) ([]graph.UserError, error) {
	refusals := []graph.UserError{}
	var all rail.Errors
	var one *rail.Error
	switch {
	case err == nil:
		return refusals, nil
	case errors.As(err, &all):
	case errors.As(err, &one):
		all = rail.Errors{one}
	default:
		return nil, err
	}
	for _, e := range all[:min(len(all), maxUserErrors)] {
		if !e.Code.IsRefusal() {
			return nil, err
		}
		refusals = append(refusals, graph.Refusal{Code: e.Code, Message: e.Message, Path: e.Path})
	}
	return refusals, nil
}
