// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProtocolHashes} from "./IProtocolHashes.sol";

/// @title The public record of federated training, and the treasury that pays for it
/// @notice A run is opened once. Each of its rounds is opened with the model that is sent, gets the root of all
/// commitments before any update is shown to another client, and is settled with roots over what came out.
/// Rewards cumulate over all runs of the ledger: a leaf says what an account ever earned, a claim pays the rest.
/// @dev Three transactions a round, whose cost does not depend on the number of clients. A hash of zero is
/// refused everywhere: it is what a forgotten value looks like.
interface IRoundLedger is IProtocolHashes {
    /// @notice Where a run stands. `None`: unknown. `Settled`: the round is done and the next one may open; a new
    /// run is `Settled` at round 0, which is its initial model.
    enum Phase {
        None,
        Open,
        Committed,
        Settled
    }

    event RunOpened(
        bytes32 indexed runId, bytes32 settingsHash, bytes32 seedAnchor, bytes32 catalogueHash, bytes32 cohortRoot
    );
    event RoundOpened(bytes32 indexed runId, uint64 indexed round, bytes32 modelHash);
    event UpdatesCommitted(bytes32 indexed runId, uint64 indexed round, bytes32 commitmentRoot);
    /// @param sequence Number of the settlement on this ledger, counting from 1 over all runs.
    event RoundSettled(bytes32 indexed runId, uint64 indexed round, uint64 sequence, Settlement settlement);
    /// @param amountWei What this claim paid.
    /// @param cumulativeWei What the account was paid up to now, this claim included.
    event RewardClaimed(address indexed account, uint256 amountWei, uint256 cumulativeWei);
    event TreasuryFunded(address indexed from, uint256 amountWei);

    /// @notice A hash is zero, so the caller forgot it.
    /// @param name Which argument or member it was.
    error ZeroHash(string name);
    error RunAlreadyOpen(bytes32 runId);
    error RunUnknown(bytes32 runId);
    /// @notice Rounds count 1, 2, 3, ... in each run.
    error RoundOutOfOrder(uint64 given, uint64 expected);
    /// @notice The call does not follow the phase that the run's round is in.
    error WrongPhase(uint64 round, Phase phase);
    /// @notice A settlement promises more than the treasury holds.
    error TreasuryShort(uint256 haveWei, uint256 wantWei);
    error SettlementUnknown(uint64 sequence);
    error NotYetClaimable(uint64 sequence, uint64 claimableAt);
    /// @notice The leaf and its proof do not lead to the settlement's reward root.
    error ProofInvalid(uint64 sequence, uint256 index, address account, uint256 cumulativeWei);
    /// @notice The account was paid this much or more already.
    error NothingToClaim(address account);
    /// @notice The reward root promises more than its settlements rewarded: the coordinator published a wrong tree.
    error RewardsExceeded(uint256 unclaimedWei, uint256 wantWei);

    /// @notice Open a run; coordinator only.
    /// @param settingsHash keccak256 of the run's canonical settings.
    /// @param seedAnchor s_0, the end of the coordinator's hash chain, from which committees are drawn.
    /// @param catalogueHash Hash of the public item catalogue.
    /// @param cohortRoot Merkle root over the cohort leaves.
    function openRun(bytes32 runId, bytes32 settingsHash, bytes32 seedAnchor, bytes32 catalogueHash, bytes32 cohortRoot)
        external;

    /// @notice Open the round after the last settled one; coordinator only.
    /// @param modelHash Hash of the model that is sent to the clients.
    function openRound(bytes32 runId, uint64 round, bytes32 modelHash) external;

    /// @notice Fix all commitments of an open round; coordinator only.
    function commitUpdates(bytes32 runId, uint64 round, bytes32 commitmentRoot) external;

    /// @notice Settle a committed round; coordinator only. The treasury must cover what it rewards.
    /// @return sequence Number of this settlement, by which rewards are claimed.
    function settleRound(bytes32 runId, uint64 round, Settlement calldata settlement) external returns (uint64 sequence);

    /// @notice Pay an account what it has earned up to a settlement and was not paid yet. Anybody may call;
    /// only `account` is paid.
    /// @param sequence Any settlement whose challenge window is over; the latest pays most.
    function claim(uint64 sequence, uint256 index, address account, uint256 cumulativeWei, bytes32[] calldata proof)
        external;

    /// @notice Move tokens of the caller, who has approved them, into the treasury.
    function fund(uint256 amountWei) external;

    /// @notice The reward token's address.
    function token() external view returns (address);

    /// @notice Seconds between a settlement and the first claim against it.
    function challengeWindowSeconds() external view returns (uint64);

    /// @notice How many runs were opened.
    function runCount() external view returns (uint64);

    /// @notice How many rounds were settled, over all runs; also the latest sequence.
    function settlementCount() external view returns (uint64);

    /// @notice The last round of a run that was opened, and its phase.
    function roundState(bytes32 runId) external view returns (uint64 round, Phase phase);

    /// @notice Hash over everything recorded from the run's opening up to now in this round; zero if there is nothing.
    /// @dev Each step hashes the one before it, all words ABI-encoded:
    /// run:    h(0)  = keccak256(runId, settingsHash, seedAnchor, catalogueHash, cohortRoot)
    /// open:   h     = keccak256(h(round - 1), runId, round, modelHash)
    /// commit: h'    = keccak256(h, commitmentRoot)
    /// settle: h(round) = keccak256(h', evidenceRoot, reputationRoot, rewardRoot, nextModelHash, rewardedWei)
    function roundHash(bytes32 runId, uint64 round) external view returns (bytes32);

    /// @notice The reward root of a settlement, and the time (seconds since 1970) from which it can be claimed.
    function rewardsOf(uint64 sequence) external view returns (bytes32 rewardRoot, uint64 claimableAt);

    /// @notice What an account was paid up to now.
    function claimedWei(address account) external view returns (uint256);

    /// @notice Rewarded by settlements and not claimed yet. The ledger never holds fewer tokens.
    function unclaimedWei() external view returns (uint256);

    /// @notice Tokens held and not promised to anybody.
    function treasuryWei() external view returns (uint256);
}
