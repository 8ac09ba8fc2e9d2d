package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/lab/fault"
)

// lab runs the command, and is its exit code and both of its outputs.
func lab(arguments ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(arguments, &out, &errs)
	return code, out.String(), errs.String()
}

func TestFault_HelpListsTheAreas(t *testing.T) {
	code, stdout, _ := lab("fault", "--help")
	require.Zero(t, code)
	require.Contains(t, strings.Join(strings.Fields(stdout), " "), strings.Join(fault.Areas(), ", "))
}

func TestFault_WrongNames(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"area":              {[]string{"all", "--area", "tracks"}, strings.Join(fault.Areas(), ", ")},
		"fault":             {[]string{"primary_tickled"}, "primary_killed"},
		"area of one fault": {[]string{"primary_killed", "--area", "lock"}, "--area goes with all"},
		"area of the demo":  {[]string{fault.Demo, "--area", "lock"}, "--area goes with all"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := lab(append([]string{"fault"}, test.arguments...)...)
			require.Equal(t, exitCouldNotSee, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, test.want)
			require.NotContains(t, stderr, "building", "nothing was begun")
		})
	}
}

// TestFault_AnAreaTakesAtMost40Minutes for as many seeds as the whole is usually played with.
func TestFault_AnAreaTakesAtMost40Minutes(t *testing.T) {
	require.Equal(t, 40*time.Minute, faultCommand{Name: everyFault, Area: "cache", Seeds: 3}.limit())
	require.Equal(t, 80*time.Minute, faultCommand{Name: everyFault, Area: "cache", Seeds: 4}.limit())
	require.Equal(t, 120*time.Minute, faultCommand{Name: everyFault, Seeds: 3}.limit())
	require.Equal(t, faultLimit, faultCommand{Name: "primary_killed", Seeds: 3}.limit())
}
