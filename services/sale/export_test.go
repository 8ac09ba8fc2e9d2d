package sale

// StepsApart is the least time between the begins of two commits of a run's steps.
const StepsApart = stepsApart
