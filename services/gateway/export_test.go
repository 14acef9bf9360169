package gateway

// Contracts are the files whose services have a REST face.
var Contracts = contracts
