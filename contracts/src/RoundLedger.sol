// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IRoundLedger} from "./IRoundLedger.sol";
import {ProtocolHashes} from "./ProtocolHashes.sol";

/// @title Round ledger: one hash a round, one reward root a settlement
contract RoundLedger is IRoundLedger, ProtocolHashes, AccessControl {
    using SafeERC20 for IERC20;

    /// @notice May open runs and rounds, commit and settle.
    bytes32 public constant COORDINATOR_ROLE = keccak256("COORDINATOR_ROLE");

    struct RunState {
        uint64 round;
        Phase phase;
    }

    /// @dev One slot, since a settlement changes two of the three.
    struct Totals {
        uint64 runCount;
        uint64 settlementCount;
        uint128 unclaimedWei;
    }

    struct Rewards {
        bytes32 rewardRoot;
        uint64 claimableAt;
    }

    IERC20 private immutable _token;
    uint64 private immutable _challengeWindowSeconds;

    Totals private _totals;
    mapping(bytes32 runId => RunState) private _runs;
    mapping(bytes32 runId => mapping(uint64 round => bytes32)) private _roundHashes;
    mapping(uint64 sequence => Rewards) private _rewards;
    mapping(address account => uint256 paidWei) private _claimedWei;

    /// @param token_ The reward token.
    /// @param admin May grant and revoke roles.
    /// @param coordinator Gets COORDINATOR_ROLE.
    /// @param challengeWindowSeconds_ Seconds between a settlement and the first claim against it.
    constructor(IERC20 token_, address admin, address coordinator, uint64 challengeWindowSeconds_) {
        _token = token_;
        _challengeWindowSeconds = challengeWindowSeconds_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(COORDINATOR_ROLE, coordinator);
    }

    /// @inheritdoc IRoundLedger
    function openRun(bytes32 runId, bytes32 settingsHash, bytes32 seedAnchor, bytes32 catalogueHash, bytes32 cohortRoot)
        external
        onlyRole(COORDINATOR_ROLE)
    {
        _requireHash(runId, "runId");
        _requireHash(settingsHash, "settingsHash");
        _requireHash(seedAnchor, "seedAnchor");
        _requireHash(catalogueHash, "catalogueHash");
        _requireHash(cohortRoot, "cohortRoot");
        if (_runs[runId].phase != Phase.None) revert RunAlreadyOpen(runId);

        _runs[runId] = RunState({round: 0, phase: Phase.Settled});
        _roundHashes[runId][0] = keccak256(abi.encode(runId, settingsHash, seedAnchor, catalogueHash, cohortRoot));
        _totals.runCount += 1;
        emit RunOpened(runId, settingsHash, seedAnchor, catalogueHash, cohortRoot);
    }

    /// @inheritdoc IRoundLedger
    function openRound(bytes32 runId, uint64 round, bytes32 modelHash) external onlyRole(COORDINATOR_ROLE) {
        _requireHash(modelHash, "modelHash");
        RunState memory run = _knownRun(runId);
        if (run.phase != Phase.Settled) revert WrongPhase(run.round, run.phase);
        if (round != run.round + 1) revert RoundOutOfOrder(round, run.round + 1);

        _runs[runId] = RunState({round: round, phase: Phase.Open});
        bytes32 previous = _roundHashes[runId][run.round];
        _roundHashes[runId][round] = keccak256(abi.encode(previous, runId, round, modelHash));
        emit RoundOpened(runId, round, modelHash);
    }

    /// @inheritdoc IRoundLedger
    function commitUpdates(bytes32 runId, uint64 round, bytes32 commitmentRoot) external onlyRole(COORDINATOR_ROLE) {
        _requireHash(commitmentRoot, "commitmentRoot");
        _advance(runId, round, Phase.Open, Phase.Committed);
        _roundHashes[runId][round] = keccak256(abi.encode(_roundHashes[runId][round], commitmentRoot));
        emit UpdatesCommitted(runId, round, commitmentRoot);
    }

    /// @inheritdoc IRoundLedger
    function settleRound(bytes32 runId, uint64 round, Settlement calldata settlement)
        external
        onlyRole(COORDINATOR_ROLE)
        returns (uint64 sequence)
    {
        _requireHash(settlement.evidenceRoot, "evidenceRoot");
        _requireHash(settlement.reputationRoot, "reputationRoot");
        _requireHash(settlement.rewardRoot, "rewardRoot");
        _requireHash(settlement.nextModelHash, "nextModelHash");
        _advance(runId, round, Phase.Committed, Phase.Settled);
        Totals memory totals = _totals;
        uint256 haveWei = _token.balanceOf(address(this)) - totals.unclaimedWei;
        if (haveWei < settlement.rewardedWei) revert TreasuryShort(haveWei, settlement.rewardedWei);

        sequence = totals.settlementCount + 1;
        totals.settlementCount = sequence;
        totals.unclaimedWei += settlement.rewardedWei;
        _totals = totals;
        _rewards[sequence] = Rewards({
            rewardRoot: settlement.rewardRoot, claimableAt: uint64(block.timestamp) + _challengeWindowSeconds
        });
        _roundHashes[runId][round] = keccak256(abi.encode(_roundHashes[runId][round], settlement));
        emit RoundSettled(runId, round, sequence, settlement);
    }

    /// @inheritdoc IRoundLedger
    function claim(uint64 sequence, uint256 index, address account, uint256 cumulativeWei, bytes32[] calldata proof)
        external
    {
        Rewards memory rewards = _rewards[sequence];
        if (rewards.rewardRoot == 0) revert SettlementUnknown(sequence);
        if (block.timestamp < rewards.claimableAt) revert NotYetClaimable(sequence, rewards.claimableAt);
        if (rootOf(rewardLeaf(index, account, cumulativeWei), proof) != rewards.rewardRoot) {
            revert ProofInvalid(sequence, index, account, cumulativeWei);
        }
        uint256 paidWei = _claimedWei[account];
        if (cumulativeWei <= paidWei) revert NothingToClaim(account);
        uint256 amountWei = cumulativeWei - paidWei;
        uint128 owedWei = _totals.unclaimedWei;
        if (amountWei > owedWei) revert RewardsExceeded(owedWei, amountWei);

        // Everything is booked before the token is called, so a call back into the ledger finds nothing to claim.
        _claimedWei[account] = cumulativeWei;
        _totals.unclaimedWei = owedWei - uint128(amountWei);
        emit RewardClaimed(account, amountWei, cumulativeWei);
        _token.safeTransfer(account, amountWei);
    }

    /// @inheritdoc IRoundLedger
    function fund(uint256 amountWei) external {
        emit TreasuryFunded(msg.sender, amountWei);
        _token.safeTransferFrom(msg.sender, address(this), amountWei);
    }

    /// @inheritdoc IRoundLedger
    function token() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IRoundLedger
    function challengeWindowSeconds() external view returns (uint64) {
        return _challengeWindowSeconds;
    }

    /// @inheritdoc IRoundLedger
    function runCount() external view returns (uint64) {
        return _totals.runCount;
    }

    /// @inheritdoc IRoundLedger
    function settlementCount() external view returns (uint64) {
        return _totals.settlementCount;
    }

    /// @inheritdoc IRoundLedger
    function roundState(bytes32 runId) external view returns (uint64 round, Phase phase) {
        RunState memory run = _runs[runId];
        return (run.round, run.phase);
    }

    /// @inheritdoc IRoundLedger
    function roundHash(bytes32 runId, uint64 round) external view returns (bytes32) {
        return _roundHashes[runId][round];
    }

    /// @inheritdoc IRoundLedger
    function rewardsOf(uint64 sequence) external view returns (bytes32 rewardRoot, uint64 claimableAt) {
        Rewards memory rewards = _rewards[sequence];
        if (rewards.rewardRoot == 0) revert SettlementUnknown(sequence);
        return (rewards.rewardRoot, rewards.claimableAt);
    }

    /// @inheritdoc IRoundLedger
    function claimedWei(address account) external view returns (uint256) {
        return _claimedWei[account];
    }

    /// @inheritdoc IRoundLedger
    function unclaimedWei() external view returns (uint256) {
        return _totals.unclaimedWei;
    }

    /// @inheritdoc IRoundLedger
    function treasuryWei() external view returns (uint256) {
        return _token.balanceOf(address(this)) - _totals.unclaimedWei;
    }

    /// @dev Move the run's current round from one phase to the next, or revert.
    function _advance(bytes32 runId, uint64 round, Phase from, Phase to) private {
        RunState memory run = _knownRun(runId);
        if (round != run.round) revert RoundOutOfOrder(round, run.round);
        if (run.phase != from) revert WrongPhase(run.round, run.phase);
        _runs[runId] = RunState({round: round, phase: to});
    }

    function _knownRun(bytes32 runId) private view returns (RunState memory run) {
        run = _runs[runId];
        if (run.phase == Phase.None) revert RunUnknown(runId);
    }

    function _requireHash(bytes32 value, string memory name) private pure {
        if (value == 0) revert ZeroHash(name);
    }
}
