package store

// ListQuery is what ListDeliveries runs.
var ListQuery = listQuery
