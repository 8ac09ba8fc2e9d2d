package pay

// CommitInterval is the least time between the begins of two commits.
const CommitInterval = commitInterval
