// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title How the protocol's records are hashed
/// @notice The public record lives off chain and only its hashes live here, so both sides must agree on every byte.
/// These functions are that agreement in Solidity: anybody can ask the ledger for the hash of a record and compare.
/// @dev A Merkle leaf is hashed twice, which keeps it apart from the inner nodes of a tree (second preimages).
/// Inner nodes are keccak256 of the two children, the lesser first; the odd node of a level is promoted unhashed.
/// Leaves are ordered by account, ascending, and an account has the same index in every tree of a round.
/// `Wad` marks fixed point with 18 decimals, rounded down.
interface IProtocolHashes {
    /// @notice What a settlement fixes about a round.
    /// @param evidenceRoot Hash of the round's published evidence: signed scores, consolidation, weights.
    /// @param reputationRoot Merkle root over the reputation leaves.
    /// @param rewardRoot Merkle root over the reward leaves, which hold cumulative totals per account.
    /// @param nextModelHash Hash of the model that the round made.
    /// @param rewardedWei What this round adds to the rewards, over all accounts.
    struct Settlement {
        bytes32 evidenceRoot;
        bytes32 reputationRoot;
        bytes32 rewardRoot;
        bytes32 nextModelHash;
        uint128 rewardedWei;
    }

    /// @notice The 32 bytes by which a client binds itself to an update before anybody else sees it.
    /// @param updateHash sha256 of the update's bytes, the hash by which its file is named.
    /// @param salt Keeps small updates from being guessed; sent to the coordinator with the update.
    function commitmentOf(bytes32 runId, uint64 round, address account, bytes32 updateHash, bytes32 salt)
        external
        pure
        returns (bytes32);

    /// @notice Leaf of a run's cohort: who takes part.
    function cohortLeaf(uint256 index, address account) external pure returns (bytes32);

    /// @notice Leaf of a round's commitments.
    function commitmentLeaf(uint256 index, address account, bytes32 commitment) external pure returns (bytes32);

    /// @notice Leaf of a round's reputations.
    /// @param consolidatedWad The committee's score; may be negative.
    /// @param calibratedWad R, in [0, 1e18].
    /// @param gateWad In [0, 1e18]; can only lower.
    /// @param smoothedWad S, in [0, 1e18].
    /// @param prefixWad Sum of `smoothedWad` over the leaves up to and including this one.
    function reputationLeaf(
        uint256 index,
        address account,
        int256 consolidatedWad,
        uint256 calibratedWad,
        uint256 gateWad,
        uint256 smoothedWad,
        uint256 prefixWad
    ) external pure returns (bytes32);

    /// @notice Leaf of the rewards.
    /// @param cumulativeWei All that the account ever earned on this ledger, claimed or not.
    function rewardLeaf(uint256 index, address account, uint256 cumulativeWei) external pure returns (bytes32);

    /// @notice The root that a leaf and its siblings, from the leaf upwards, lead to.
    function rootOf(bytes32 leaf, bytes32[] calldata proof) external pure returns (bytes32);

    /// @notice What the coordinator signs about a settlement: keccak256 of its five ABI-encoded words.
    function settlementHash(Settlement calldata settlement) external pure returns (bytes32);

    /// @notice EIP-712 digest that a client signs over its commitment.
    function commitmentDigest(bytes32 runId, uint64 round, bytes32 commitment) external view returns (bytes32);

    /// @notice EIP-712 digest that a peer signs over its score of another client's update.
    /// @param subject Whose update was scored.
    /// @param commitment Which update that was.
    /// @param shard keccak256 of the part of the probe set that was used.
    /// @param ndcgGainWad Gain in NDCG@K over the model that was sent, in [-1e18, 1e18].
    /// @param hitGainWad Gain in HR@K, in [-1e18, 1e18].
    function scoreDigest(
        bytes32 runId,
        uint64 round,
        address subject,
        bytes32 commitment,
        bytes32 shard,
        int256 ndcgGainWad,
        int256 hitGainWad
    ) external view returns (bytes32);

    /// @notice EIP-712 digest that the coordinator signs over a settlement's hash.
    function settlementDigest(bytes32 runId, uint64 round, bytes32 settlementHash_) external view returns (bytes32);

    /// @notice EIP-712 digest by which an account vouches for the network node that speaks for it in a run.
    function nodeBindingDigest(bytes32 runId, address account, uint64 nodeId) external view returns (bytes32);
}
