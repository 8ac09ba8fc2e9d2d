package resolvers

import (
	"errors"

	"interlock/services/rail"

	"interlock/graph"
)

// maxUserErrors bounds the refusals of one answer. A train may have 256 wrong calls, and the first hundred are enough
// to work on.
const maxUserErrors = 100

// refused tells refusals from failures. Refusals go into the payload's userErrors. Any other error is returned as it
// is, and so is one that has a failure among its refusals.
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
