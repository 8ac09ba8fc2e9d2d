package watch

// Handful is how many events are handed out at once.
const Handful = handful
